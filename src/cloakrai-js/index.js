/** Client for the Cloakr models API. Types and documentation: index.d.ts. */

// In milliseconds. Before retry n the client waits a random time of up to FIRST_BACKOFF * 2 ** n, at most MAX_BACKOFF.
const FIRST_BACKOFF = 500;
const MAX_BACKOFF = 8_000;
// In seconds. A longer Retry-After is not waited for: the error is thrown at once and names it.
const MAX_RETRY_AFTER = 30;
// Of JSON, in characters. The service limits a response to 8 MB.
const CACHE_CHARACTERS = 16 * 2 ** 20;
const CACHE_ENTRIES = 128;

const PARAMETERS = {
  capability: 'capability',
  compliance: 'compliance',
  ownedBy: 'owned_by',
  minContextWindow: 'min_context_window',
  maxCostPer1kTokens: 'max_cost_per_1k_tokens',
  encryptionSupported: 'encryption_supported',
  piiRedactionSupported: 'pii_redaction_supported',
  q: 'q',
  orderBy: 'order_by',
  pageSize: 'page_size',
};

export class CloakrError extends Error {
  constructor(message, { status, code, type, requestId, retryAfter, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    Object.assign(this, { status, code, type, requestId, retryAfter });
  }
}
export class ConfigurationError extends CloakrError {}
export class InvalidRequestError extends CloakrError {}
export class AuthenticationError extends CloakrError {}
export class PermissionDeniedError extends CloakrError {}
export class NotFoundError extends CloakrError {}
export class RateLimitError extends CloakrError {}
export class ServerError extends CloakrError {}
export class ServiceUnavailableError extends ServerError {}
export class InvalidResponseError extends CloakrError {}
export class CloakrTimeoutError extends CloakrError {}
export class CloakrConnectionError extends CloakrError {}

const BY_STATUS = {
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  429: RateLimitError,
  503: ServiceUnavailableError,
  504: CloakrTimeoutError,
};
const RETRIED = [RateLimitError, ServiceUnavailableError, CloakrConnectionError];

/** Responses with their entity tags, by URL and credential; the least recently used go first. */
class Cache {
  #entries = new Map();
  #characters = 0;

  get(key) {
    const entry = this.#entries.get(key);
    if (entry) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return entry;
  }

  set(key, tag, text) {
    this.#delete(key);
    if (tag && text.length <= CACHE_CHARACTERS) {
      this.#entries.set(key, { tag, text });
      this.#characters += text.length;
    }
    while (this.#characters > CACHE_CHARACTERS || this.#entries.size > CACHE_ENTRIES) {
      this.#delete(this.#entries.keys().next().value);
    }
  }

  #delete(key) {
    this.#characters -= this.#entries.get(key)?.text.length ?? 0;
    this.#entries.delete(key);
  }
}

export class CloakrClient {
  // Private members are invisible to console.log and JSON.stringify.
  #apiKey;
  #baseUrl;
  #timeout;
  #maxRetries;
  #fetch;
  #cache = new Cache();

  constructor({ apiKey, baseUrl, timeout = 10_000, maxRetries = 3, fetch } = {}) {
    const environment = globalThis.process?.env ?? {};
    this.#baseUrl = rootOf(baseUrl || environment.CLOAKR_BASE_URL);
    this.#apiKey = apiKey || environment.CLOAKR_API_KEY;
    if (typeof this.#apiKey !== 'function') checkedKey(this.#apiKey);
    this.#timeout = timeout;
    this.#maxRetries = maxRetries;
    this.#fetch = fetch ?? ((...request) => globalThis.fetch(...request));
  }

  async models({ signal, ...filters } = {}) {
    const query = queryOf(filters);
    const data = [];
    const tokens = new Set();
    for (;;) {
      const page = await this.#get('/v1/models', query, signal);
      if (!Array.isArray(page.data)) throw new InvalidResponseError('response: not as documented: no data');
      data.push(...page.data);
      const token = page.next_page_token;
      if (!token) return { object: 'list', data };
      if (tokens.has(token)) {
        throw new InvalidResponseError('next_page_token: repeated: the list would never end');
      }
      tokens.add(token);
      query.set('page_token', token);
    }
  }

  async model(id, { signal } = {}) {
    // Encoded slashes keep the id one segment, but a dot segment would still change the path.
    if (typeof id !== 'string' || ['', '.', '..'].includes(id)) {
      throw new InvalidRequestError("model id: must be a string, but not empty, '.' or '..'");
    }
    return this.#get(`/v1/models/${encodeURIComponent(id)}`, new URLSearchParams(), signal);
  }

  async #get(path, query, signal) {
    const search = query.toString();
    const url = `${this.#baseUrl}${path}${search && '?'}${search}`;
    for (let retries = 0; ; retries += 1) {
      const key = checkedKey(typeof this.#apiKey === 'function' ? await this.#apiKey() : this.#apiKey);
      try {
        return await this.#attempt(url, key, signal);
      } catch (failure) {
        const wait = retries < this.#maxRetries ? waitBefore(failure, retries) : undefined;
        if (wait === undefined) throw failure;
        await sleep(wait, signal);
      }
    }
  }

  async #attempt(url, key, signal) {
    signal?.throwIfAborted();
    const cacheKey = `${key} ${url}`;
    const kept = this.#cache.get(cacheKey);
    const headers = { authorization: `Bearer ${key}`, ...(kept && { 'if-none-match': kept.tag }) };
    const deadline = new AbortController();
    const abort = () => deadline.abort(signal.reason);
    signal?.addEventListener('abort', abort);
    const timer = setTimeout(() => deadline.abort(), this.#timeout);
    let response, text;
    try {
      response = await this.#fetch(url, { headers, redirect: 'manual', signal: deadline.signal });
      text = await response.text();
    } catch (cause) {
      signal?.throwIfAborted();
      const host = new URL(url).host;
      if (deadline.signal.aborted) throw new CloakrTimeoutError(`${host}: no response in ${this.#timeout} ms`);
      throw new CloakrConnectionError(`${host}: ${cause.cause?.message || cause.message}`, { cause });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
    if (response.status === 304 && kept) return JSON.parse(kept.text);
    if (response.status !== 200) throw refusal(response, text, key);
    const value = parsed(text);
    if (value === null || typeof value !== 'object') {
      throw new InvalidResponseError('response: not as documented: no JSON object', {
        status: 200,
        requestId: response.headers.get('x-request-id') ?? undefined,
      });
    }
    this.#cache.set(cacheKey, response.headers.get('etag'), text);
    return value;
  }
}

function rootOf(baseUrl) {
  // No default: it would send the keys of a self-hosted catalogue to somebody else's host.
  if (!baseUrl) throw new ConfigurationError('baseUrl: not set: pass baseUrl or set CLOAKR_BASE_URL');
  let url;
  try {
    url = new URL(baseUrl);
  } catch {
    url = undefined;
  }
  if (!/^https?:$/.test(url?.protocol) || url.username || url.password || /[?#]/.test(url.href)) {
    throw new ConfigurationError('baseUrl: invalid: must be http(s)://host[:port][/path] without credentials');
  }
  return url.origin + url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
}

function checkedKey(key) {
  // Files of keys end in a newline.
  const text = typeof key === 'string' ? key.trim() : '';
  if (!text) throw new ConfigurationError('apiKey: not set: pass apiKey or set CLOAKR_API_KEY');
  if (!/^[!-~]+$/.test(text)) {
    throw new ConfigurationError('apiKey: invalid: must be printable ASCII without spaces');
  }
  return text;
}

function queryOf(filters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) {
    if (!Object.hasOwn(PARAMETERS, name)) {
      throw new TypeError(`${name}: unknown filter: must be one of ${Object.keys(PARAMETERS).join(', ')}`);
    }
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) query.append(PARAMETERS[name], one);
    }
  }
  return query;
}

/** Returns the error of a response, documented or a gateway's. */
function refusal(response, text, key) {
  const { status, headers } = response;
  const family = { 4: InvalidRequestError, 5: ServerError }[Math.floor(status / 100)];
  const error = parsed(text)?.error ?? {};
  const message = error.message ?? `HTTP status ${status}: not an answer of the service`;
  // A gateway that debugs may echo the request.
  return new (BY_STATUS[status] ?? family ?? InvalidResponseError)(String(message).replaceAll(key, '[api key]'), {
    status,
    code: error.code,
    type: error.type,
    requestId: headers.get('x-request-id') ?? undefined,
    retryAfter: seconds(headers.get('retry-after')),
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Returns the seconds of a Retry-After, which is a number or a date (RFC 9110, 10.2.3). */
function seconds(retryAfter) {
  if (/^\d+$/.test(retryAfter ?? '')) return Number(retryAfter);
  const date = Date.parse(retryAfter ?? '');
  return Number.isNaN(date) ? undefined : Math.max(0, (date - Date.now()) / 1000);
}

/** Returns the milliseconds to wait before the next attempt; undefined if there should be none. */
function waitBefore(failure, retries) {
  const after = failure?.retryAfter ?? 0;
  if (!RETRIED.some((kind) => failure instanceof kind) || after > MAX_RETRY_AFTER) return undefined;
  // Full jitter: clients that failed together do not return together.
  return after * 1000 + Math.random() * Math.min(MAX_BACKOFF, FIRST_BACKOFF * 2 ** retries);
}

function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}
