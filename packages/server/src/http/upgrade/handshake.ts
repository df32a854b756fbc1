import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { HoldfastError } from '../../kernel/index.ts';
import { errorAnswer } from '../error-body.ts';
import { endWith, httpText } from '../node-server.ts';
import type { ErrorShape } from '../route.ts';

/** A nonce of 16 bytes in base64. Source: RFC 6455 §4.1. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/**
 * The request target as a URL of which only path and query mean anything. Null for targets that
 * are not a path of ours (absolute form, `*`) or are too long.
 */
export function targetUrl(target: string | undefined, maxBytes: number): URL | null {
  if (target === undefined || !target.startsWith('/') || target.length > maxBytes) return null;
  try {
    return new URL(`http://upgrade.invalid${target}`);
  } catch {
    return null;
  }
}

/** Checks the opening handshake before anything is done for it. Source: RFC 6455 §4.2.1. */
export function checkHandshake(request: IncomingMessage): HoldfastError | undefined {
  const { method, headers } = request;
  if (method !== 'GET') {
    return new HoldfastError('method_not_allowed', 'A WebSocket is opened with GET.');
  }
  if (headers.host === undefined) {
    return new HoldfastError('invalid_request', 'The Host header is missing.', { field: 'host' });
  }
  if (Number(headers['content-length'] ?? 0) !== 0 || headers['transfer-encoding'] !== undefined) {
    return new HoldfastError('invalid_request', 'A WebSocket request has no body.');
  }
  if (headers['sec-websocket-version'] !== '13') {
    return new HoldfastError('upgrade_required', 'Only WebSocket version 13 is supported.', {
      field: 'sec-websocket-version',
      allowed: ['13'],
    });
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) {
    return new HoldfastError('invalid_request', 'sec-websocket-key is missing or malformed.', {
      field: 'sec-websocket-key',
    });
  }
  return undefined;
}

export interface RefusalOptions {
  readonly shape: ErrorShape;
  readonly requestId: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A peer that does not take the answer is cut off after this time. */
  readonly lingerMs: number;
}

/** Answers an upgrade with an HTTP error and closes its socket. */
export function refuseUpgrade(socket: Duplex, error: HoldfastError, options: RefusalOptions): void {
  const answer = errorAnswer(error, options.shape, options.requestId);
  const headers: Record<string, string> = {
    ...options.headers,
    ...answer.headers,
    'x-request-id': options.requestId,
    'x-content-type-options': 'nosniff',
    'content-length': String(Buffer.byteLength(answer.body)),
    connection: 'close',
  };
  if (answer.status === 426) {
    headers.upgrade = 'websocket';
    headers['sec-websocket-version'] = '13';
  }
  if (answer.status === 405) headers.allow = 'GET';
  endWith(socket, httpText(answer.status, headers, answer.body), options.lingerMs);
}
