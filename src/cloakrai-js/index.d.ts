/** Options of every call. */
export interface CallOptions {
  /** Aborts the call, its retries and its waiting. */
  signal?: AbortSignal;
}

export interface ClientOptions {
  /** API key or JWT, or a function that returns the current one. Default: `CLOAKR_API_KEY`, in Node. */
  apiKey?: string | (() => string | Promise<string>);
  /** Root of the service, such as `http://127.0.0.1:8080`. Default: `CLOAKR_BASE_URL`, in Node. */
  baseUrl?: string;
  /** Milliseconds for one attempt. Default: 10000. */
  timeout?: number;
  /** Attempts after the first, on 429, 503 and broken connections. Default: 3. */
  maxRetries?: number;
  /** Another `fetch`, for proxies and private certificate authorities. */
  fetch?: typeof globalThis.fetch;
}

export type ModelOrder = 'created' | 'id' | 'context_window' | 'cost_per_1k_tokens';

/** Filters of `models()`, as the API documents them. */
export interface ModelFilters {
  /** Models that have all of these labels. */
  capability?: string | readonly string[];
  /** Models that comply with all of these. */
  compliance?: string | readonly string[];
  /** Models of one of these providers, or of your organization. */
  ownedBy?: string | readonly string[];
  /** In tokens. */
  minContextWindow?: number;
  /** In US dollars. */
  maxCostPer1kTokens?: number;
  encryptionSupported?: boolean;
  piiRedactionSupported?: boolean;
  /** Words that the id, the display name or the description contains. */
  q?: string;
  orderBy?: ModelOrder | `${ModelOrder} desc`;
  /** Models per request. All pages are followed. */
  pageSize?: number;
}

export interface ModelPermission {
  id: string;
  object: string;
  created: number;
  allow_create_engine: boolean;
  allow_sampling: boolean;
  allow_logprobs: boolean;
  allow_search_indices: boolean;
  allow_view: boolean;
  allow_fine_tuning: boolean;
  organization: string;
  group: string | null;
  is_blocking: boolean;
}

/** What is unknown is absent. */
export interface CloakrMetadata {
  encryption_supported: boolean;
  pii_redaction_supported: boolean;
  /** In US dollars. */
  cost_per_1k_tokens?: number;
  max_tokens?: number;
  /** In tokens; 0 is unknown. */
  context_window: number;
  capabilities: string[];
  compliance: string[];
}

export interface ListedModel {
  id: string;
  object: 'model';
  /** In seconds since 1970. */
  created: number;
  owned_by: string;
  permission: ModelPermission[];
  root: string;
  parent: string | null;
  cloakr_metadata: CloakrMetadata;
}

export interface ModelList {
  object: 'list';
  data: ListedModel[];
}

/** What is unknown is absent or null. */
export interface Model {
  id: string;
  displayName: string;
  contextWindow: number;
  supportsStreaming: boolean;
  enabled: boolean;
  isSystemModel: boolean;
  /** RFC 3339. */
  createdAt: string;
  /** RFC 3339. */
  updatedAt: string;
  description?: string | null;
  provider?: string | null;
  modelName?: string | null;
  maxTokensPerRequest?: number | null;
  supportsTools?: boolean;
  supportsVision?: boolean;
  supportsReasoning?: boolean;
  creditMultiplier?: number | null;
  metadata?: unknown;
  parentModelId?: string | null;
  systemPromptId?: string | null;
  systemPrompt?: string | null;
}

/** A client of the models API. */
export class CloakrClient {
  /** @throws {ConfigurationError} The key or the base URL is missing or invalid. */
  constructor(options?: ClientOptions);
  /** Returns all models that match, from as many pages as there are. Rejects with a `CloakrError`. */
  models(filters?: ModelFilters & CallOptions): Promise<ModelList>;
  /** Returns a model by its id in the list or its UUID. Rejects with a `CloakrError`. */
  model(id: string, options?: CallOptions): Promise<Model>;
}

/** Base of all errors of this package. */
export class CloakrError extends Error {
  /** HTTP status, if the service answered. */
  readonly status?: number;
  /** Documented code of the error, for programs to branch on. */
  readonly code?: string;
  /** Documented family of the error. */
  readonly type?: string;
  /** The response's `x-request-id`, which the service logs too. */
  readonly requestId?: string;
  /** Seconds to wait before the next attempt, if the service named any. */
  readonly retryAfter?: number;
}
/** The client cannot be used as configured: no key, no base URL, or an invalid one. */
export class ConfigurationError extends CloakrError {}
/** The service refused the request; the message names the parameter. */
export class InvalidRequestError extends CloakrError {}
/** The credential is missing, unknown, revoked or expired (401). */
export class AuthenticationError extends CloakrError {}
/** The credential lacks the scope that the call needs (403). */
export class PermissionDeniedError extends CloakrError {}
/** The model does not exist, or is not visible to the caller (404). */
export class NotFoundError extends CloakrError {}
/** Too many requests, after all retries (429). */
export class RateLimitError extends CloakrError {}
/** The service failed (5xx). */
export class ServerError extends CloakrError {}
/** No server is ready, after all retries (503). */
export class ServiceUnavailableError extends ServerError {}
/** The response is not one that the API documents. */
export class InvalidResponseError extends CloakrError {}
/** The service or the network took too long. */
export class CloakrTimeoutError extends CloakrError {}
/** The service could not be reached, or the connection broke, after all retries. */
export class CloakrConnectionError extends CloakrError {}
