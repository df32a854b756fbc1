/**
 * Authentication by a key, in any place that the providers read. Keys are compared and hashed here
 * and never leave this file's callers.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { AuthInfo, RequestInfo } from '../inspect/record.ts';
import { HttpError } from './respond.ts';

export interface Credential {
  kind: AuthInfo['kind'];
  key: string;
}

const KEY_PROTOCOL = 'openai-insecure-api-key.';
const HASH_DIGITS = 12;
const SECRET_HEADERS = new Set([
  'authorization',
  'api-key',
  'x-api-key',
  'x-goog-api-key',
  'cookie',
  'sec-websocket-protocol',
]);
const SECRET_QUERY = 'api-key';

export function credentialOf(request: IncomingMessage, url: URL): Credential | undefined {
  const bearer = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return { kind: 'bearer', key: bearer };
  const header = request.headers['api-key'];
  if (typeof header === 'string' && header !== '') return { kind: 'api-key', key: header };
  for (const name of ['x-api-key', 'x-goog-api-key']) {
    const other = request.headers[name];
    if (typeof other === 'string' && other !== '') return { kind: 'api-key', key: other };
  }
  const query = url.searchParams.get(SECRET_QUERY);
  if (query) return { kind: 'query', key: query };
  const protocol = (request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map(part => part.trim())
    .find(name => name.startsWith(KEY_PROTOCOL));
  if (protocol === undefined) return undefined;
  return { kind: 'subprotocol', key: protocol.slice(KEY_PROTOCOL.length) };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Throws 401 unless the key is the expected one; without an expected key every caller may in. */
export function requireKey(credential: Credential | undefined, expected: string | undefined): void {
  if (expected === undefined) return;
  if (credential === undefined) {
    throw new HttpError(401, "You didn't provide an API key.", { code: 'missing_api_key' });
  }
  if (timingSafeEqual(digest(credential.key), digest(expected))) return;
  throw new HttpError(401, 'Incorrect API key provided.', { code: 'invalid_api_key' });
}

/** What may be shown of a request: everything but its key. */
export function requestInfo(
  request: IncomingMessage,
  url: URL,
  credential: Credential | undefined,
): RequestInfo {
  const headers = Object.entries(request.headers).map(([name, value]) => [
    name,
    SECRET_HEADERS.has(name) ? '(hidden)' : String(value),
  ]);
  const query = [...url.searchParams].map(([name, value]) => [
    name,
    name === SECRET_QUERY ? '(hidden)' : value,
  ]);
  const auth =
    credential === undefined
      ? null
      : {
          kind: credential.kind,
          key_sha256: digest(credential.key).toString('hex').slice(0, HASH_DIGITS),
        };
  return {
    path: url.pathname,
    query: Object.fromEntries(query) as Record<string, string>,
    headers: Object.fromEntries(headers) as Record<string, string>,
    auth,
  };
}
