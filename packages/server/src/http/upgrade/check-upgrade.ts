import type { IncomingMessage } from 'node:http';
import { HoldfastError } from '../../kernel/index.ts';

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
