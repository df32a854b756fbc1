import { parseCookie } from 'cookie';
import type { GuardedRequest } from '../http/index.ts';
import { API_KEY_PREFIX, CLIENT_SECRET_PREFIX, RUN_TOKEN_PREFIX } from './secrets.ts';

/** Longer credentials are refused unread. */
const CREDENTIAL_MAX_CHARS = 16 * 1024;
/** How browsers pass a key on a WebSocket. Source: openai-node, `src/realtime/websocket.ts`. */
const SUBPROTOCOL = 'openai-insecure-api-key.';
/** How our own pages send their secret: in a header, and where none can be set, like a key. */
const PAGE_HEADER = 'x-holdfast-page';
const PAGE_SUBPROTOCOL = 'holdfast-page.';

export interface Credential {
  /**
   * Whether the credential is certainly for this server: clients written for Azure send `api-key`
   * headers with any content.
   */
  readonly meant: boolean;
  readonly value: string;
}

/**
 * The keys and tokens of a request, the most specific first. A subprotocol or a query value counts
 * on upgrades only, because browsers cannot set headers there.
 */
export function credentialsOf(request: GuardedRequest): Credential[] {
  const { headers } = request;
  const found: (Credential | undefined)[] = [
    meant(subprotocolOf(request, SUBPROTOCOL)),
    fromAuthorization(headers.authorization),
    loose(headers['api-key']),
    loose(headers['x-api-key']),
    loose(headers['x-goog-api-key']),
    request.kind === 'upgrade' ? loose(request.query.get('api-key')) : undefined,
  ];
  return found.filter(credential => credential !== undefined);
}

/** The secret of the page that sent a request of a signed-in browser; it may be wrong. */
export function pageSecretOf(request: GuardedRequest): string | undefined {
  const header = request.headers[PAGE_HEADER];
  return typeof header === 'string' ? header : subprotocolOf(request, PAGE_SUBPROTOCOL);
}

/** What follows `prefix` among the subprotocols that an upgrade offers. */
function subprotocolOf(request: GuardedRequest, prefix: string): string | undefined {
  if (request.kind !== 'upgrade') return undefined;
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',');
  const found = offered.map(part => part.trim()).find(part => part.startsWith(prefix));
  return found?.slice(prefix.length);
}

function meant(value: string | undefined): Credential | undefined {
  return value === undefined ? undefined : { meant: true, value: bounded(value) };
}

/** A malformed header gives an empty credential, which is refused, not an absent one. */
function fromAuthorization(header: string | undefined): Credential | undefined {
  if (header === undefined) return undefined;
  const match = /^Bearer +([^\s,]+)$/i.exec(header);
  return { meant: true, value: bounded(match?.[1] ?? '') };
}

function loose(value: unknown): Credential | undefined {
  return typeof value === 'string' && value !== ''
    ? { meant: false, value: bounded(value) }
    : undefined;
}

function bounded(value: string): string {
  return value.length <= CREDENTIAL_MAX_CHARS ? value : '';
}

/** Whether a value claims to be an API key or a client secret of ours. */
export function isOurs(value: string): boolean {
  return value.startsWith(API_KEY_PREFIX) || value.startsWith(CLIENT_SECRET_PREFIX);
}

export function isJwtShaped(value: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(value);
}

/**
 * The token of an agent's run that a request carries, wherever the providers' clients put their
 * keys. The token may be invalid.
 */
export function runTokenOf(
  headers: GuardedRequest['headers'],
  query: URLSearchParams,
): string | undefined {
  const found = [
    fromAuthorization(headers.authorization),
    loose(headers['x-api-key']),
    loose(headers['x-goog-api-key']),
    loose(query.get('key')),
  ];
  return found.find(one => one?.value.startsWith(RUN_TOKEN_PREFIX))?.value;
}

/** The cookies of a request. */
export function cookiesOf(
  request: Pick<GuardedRequest, 'headers'>,
): Record<string, string | undefined> {
  const header = request.headers.cookie;
  return header === undefined ? {} : parseCookie(header);
}
