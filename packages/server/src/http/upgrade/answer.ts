import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HoldfastError } from '../../kernel/index.ts';
import { errorAnswer } from '../error-body.ts';
import type { ErrorShape } from '../route.ts';

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

/** An HTTP/1.1 answer as text. All values are ours, so none holds a line break. */
export function httpText(status: number, headers: Record<string, string>, body: string): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

/**
 * Sends, closes, and destroys the socket after `lingerMs`. Bytes that the peer still sends are read
 * and dropped, because closing on unread bytes would reset the connection before our answer
 * arrives.
 */
export function endWith(socket: Duplex, text: string, lingerMs: number): void {
  if (socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const cut = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(cut));
  socket.resume();
  socket.end(text);
}
