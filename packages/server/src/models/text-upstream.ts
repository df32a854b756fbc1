import type { Endpoint, Model, Protocol } from './catalogue.ts';
import {
  headersFor,
  httpBase,
  keyHeaders,
  keyProviderOf,
  type UpstreamCredentials,
} from './upstream.ts';

export type TextProtocol = Exclude<Protocol, 'realtime' | 'transcription'>;

/** Where a text model is called, and with which credentials. */
export interface TextUpstream {
  /** The model's name at the provider. */
  readonly deployment: string;
  /** The provider whose key a project may bring. */
  readonly keyProvider: Endpoint['provider'];
  /** `action`: what follows the model's resource, such as `count_tokens` or Gemini's method. */
  url(protocol: TextProtocol, action?: string): URL;
  /** With the project's own key, or the catalogue's. Throws `upstream_rejected` without a key. */
  headers(ownKey: string | undefined): Promise<Record<string, string>>;
}

const PATHS: Readonly<Record<Exclude<TextProtocol, 'gemini'>, string>> = {
  responses: '/responses',
  chat: '/chat/completions',
  messages: '/v1/messages',
};

export function createTextUpstream(
  model: Model,
  endpoint: Endpoint,
  credentials: UpstreamCredentials,
): TextUpstream {
  const base = httpBase(endpoint);
  const deployment = model.deployment ?? model.id;
  const { provider } = endpoint;
  return {
    deployment,
    keyProvider: keyProviderOf(endpoint),
    url(protocol, action) {
      if (protocol === 'gemini') {
        return new URL(`${base}/v1beta/models/${encodeURIComponent(deployment)}:${action}`);
      }
      return new URL(base + PATHS[protocol] + (action === undefined ? '' : `/${action}`));
    },
    headers: async ownKey =>
      ownKey === undefined ? headersFor(endpoint, credentials) : keyHeaders(provider, ownKey),
  };
}
