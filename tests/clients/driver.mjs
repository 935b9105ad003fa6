// Makes the calls that standard input lists, with one client, and prints the outcomes: see asking.py.
import { inspect } from 'node:util';
import * as sdk from '@cloakrai/sdk';

const { keys, options, calls } = JSON.parse(await new Response(process.stdin).text());
const statuses = [];
const shown = [];
console.debug = console.info = console.warn = (...text) => shown.push(...text);

function camel(filters) {
  const name = (text) => text.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(filters).map(([key, value]) => [name(key), value]));
}

async function outcome(call) {
  try {
    if (call.model !== undefined) {
      const model = await client.model(call.model);
      return { model: model.modelName, extra: model.invented };
    }
    return { ids: (await client.models(camel(call))).data.map((model) => model.id) };
  } catch (error) {
    shown.push(inspect(error, { depth: null, showHidden: true }), String(error));
    const { message, status, code, type, requestId, retryAfter } = error;
    return {
      error: error.constructor.name,
      base: error instanceof sdk.CloakrError,
      message,
      status,
      code,
      type,
      request_id: requestId,
      retry_after: retryAfter,
    };
  }
}

let client;
const outcomes = [];
try {
  client = new sdk.CloakrClient({
    apiKey: keys.length > 1 ? () => (keys.length > 1 ? keys.shift() : keys[0]) : keys[0],
    baseUrl: options.base_url,
    maxRetries: options.max_retries,
    timeout: options.timeout && options.timeout * 1000,
    fetch: async (...request) => {
      const response = await fetch(...request);
      statuses.push(response.status);
      return response;
    },
  });
  shown.push(inspect(client, { depth: null, showHidden: true }), JSON.stringify(client), String(client));
  for (const call of calls) outcomes.push(await outcome(call));
} catch (error) {
  outcomes.push({ error: error.constructor.name, message: error.message });
  shown.push(inspect(error, { depth: null, showHidden: true }));
}
console.log(JSON.stringify({ outcomes, statuses, shown: shown.join('\n') }));
