import type { SessionType } from '@holdfast/protocol';
import { HoldfastError } from '../kernel/index.ts';
import type { Endpoint, Model } from './catalogue.ts';

/**
 * Addresses and credentials of one model's upstream, in the GA Realtime protocol.
 * Sources: openai-openapi `openapi.yaml` (calls, hangup); `openai` 7.57 `realtime/internal-base`
 * (intent) and `realtime/translations/ws`; Azure's "Realtime API via WebSockets": the GA path takes
 * no `api-version`.
 */
export interface Upstream {
  readonly provider: Endpoint['provider'];
  /** The model's name at the provider. */
  readonly deployment: string;
  /** A new session of that type (default: realtime), or the sideband of the provider's call. */
  wsUrl(target?: SocketTarget): string;
  readonly callsUrl: string;
  /** Of a command to a call. */
  callUrl(callId: string, verb: 'accept' | 'reject' | 'refer' | 'hangup'): string;
  /** For sessions of that type. */
  clientSecretsUrl(type: SessionType): string;
  /** Credentials only. Throws `upstream_rejected` when none are available. */
  headers(): Promise<Record<string, string>>;
}

export type SocketTarget = 'realtime' | 'transcription' | 'translation' | { callId: string };

export interface UpstreamCredentials {
  /** The secret of that name, or undefined when there is none. */
  secret(name: string): Promise<string | undefined>;
  /** A valid Entra ID token for Azure's models; caches and refreshes by itself. */
  entraToken?(): Promise<string>;
  /** A project's own key for a provider, which goes before the catalogue's. */
  ownKey?(projectId: string, provider: Endpoint['provider']): Promise<string | undefined>;
}

const OPENAI_HOST = 'api.openai.com';

/**
 * The provider whose key a project may bring. OpenAI's own address counts as `openai`, even where
 * the catalogue calls it `compatible`.
 */
export function keyProviderOf(endpoint: Endpoint): Endpoint['provider'] {
  return new URL(httpBase(endpoint)).hostname === OPENAI_HOST ? 'openai' : endpoint.provider;
}

const OFFICIAL: Partial<Record<Endpoint['provider'], string>> = {
  openai: 'https://api.openai.com/v1',
  anthropic: 'https://api.anthropic.com',
  gemini: 'https://generativelanguage.googleapis.com',
};

/** `projectId`: whose own key is used, where it has one. */
export function createUpstream(
  model: Model,
  endpoint: Endpoint,
  credentials: UpstreamCredentials,
  projectId?: string,
): Upstream {
  const base = httpBase(endpoint);
  const deployment = model.deployment ?? model.id;
  const callsUrl = `${base}/realtime/calls`;
  return {
    provider: endpoint.provider,
    deployment,
    callsUrl,
    clientSecretsUrl: type =>
      `${base}/realtime/${type === 'translation' ? 'translations/' : ''}client_secrets`,
    wsUrl(target = 'realtime') {
      const path = target === 'translation' ? '/realtime/translations' : '/realtime';
      const url = new URL(base + path);
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
      if (typeof target === 'object') url.searchParams.set('call_id', target.callId);
      else if (target === 'transcription') url.searchParams.set('intent', target);
      else url.searchParams.set('model', deployment);
      return url.href;
    },
    callUrl: (callId, verb) => `${callsUrl}/${encodeURIComponent(callId)}/${verb}`,
    async headers() {
      const { provider } = endpoint;
      const own = projectId && (await credentials.ownKey?.(projectId, keyProviderOf(endpoint)));
      return own ? keyHeaders(provider, own) : headersFor(endpoint, credentials);
    },
  };
}

/**
 * Without a trailing slash; OpenAI's ends in `/v1`, Anthropic's and Gemini's before the version, as
 * their own clients have it.
 */
export function httpBase(endpoint: Endpoint): string {
  const url = new URL(endpoint.url ?? OFFICIAL[endpoint.provider]!);
  if (url.protocol === 'ws:') url.protocol = 'http:';
  if (url.protocol === 'wss:') url.protocol = 'https:';
  const path = url.pathname.replace(/\/+$/, '');
  if (endpoint.provider === 'azure') {
    return `${url.origin}${path.endsWith('/openai/v1') ? path : `${path}/openai/v1`}`;
  }
  if (endpoint.provider === 'anthropic') return url.origin + path.replace(/\/v1$/, '');
  if (endpoint.provider === 'gemini') return url.origin + path.replace(/\/v1beta$/, '');
  return `${url.origin}${path === '' ? '/v1' : path}`;
}

export async function headersFor(
  endpoint: Endpoint,
  credentials: UpstreamCredentials,
): Promise<Record<string, string>> {
  if (endpoint.auth === 'none') return {};
  if (endpoint.auth === 'entra') {
    if (!credentials.entraToken) throw noCredentials(new Error('Entra ID is not configured'));
    const token = await credentials.entraToken().catch((cause: unknown) => {
      throw noCredentials(cause);
    });
    return { authorization: `Bearer ${token}` };
  }
  const key = await credentials.secret(endpoint.api_key_secret!);
  if (!key) throw noCredentials(new Error(`secret ${endpoint.api_key_secret} is not set`));
  return keyHeaders(endpoint.provider, key);
}

/** An API key where that provider looks for it. */
export function keyHeaders(provider: Endpoint['provider'], key: string): Record<string, string> {
  if (provider === 'azure') return { 'api-key': key };
  if (provider === 'anthropic') return { 'x-api-key': key };
  if (provider === 'gemini') return { 'x-goog-api-key': key };
  return { authorization: `Bearer ${key}` };
}

function noCredentials(cause: unknown): HoldfastError {
  return new HoldfastError('upstream_rejected', 'The model cannot be used: no valid credentials.', {
    cause,
  });
}
