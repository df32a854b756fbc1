/**
 * Answers over HTTP, in the provider's shapes. The same error can refuse an upgrade, where there is
 * only a socket to write to.
 */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Refusal } from '../faults/fault.ts';

/** A request that is refused; becomes OpenAI's error object. */
export class HttpError extends Error {
  override name = 'HttpError';
  readonly refusal: Refusal;

  constructor(status: number, message: string, more: Partial<Refusal> = {}) {
    super(message);
    this.refusal = { type: 'invalid_request_error', code: null, ...more, status, message };
  }
}

/** OpenAI's error object, or what was given in its place. */
export function errorBody(refusal: Refusal): string {
  const { message, type, code, param = null, body } = refusal;
  return body ?? JSON.stringify({ error: { message, type, param, code } });
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

export function sendRefusal(response: ServerResponse, refusal: Refusal): void {
  if (response.headersSent || response.destroyed) return;
  const headers = { 'content-type': 'application/json', ...refusal.headers };
  response.writeHead(refusal.status, headers);
  response.end(errorBody(refusal));
}

/** Refuses an upgrade on its bare socket. */
export function refuseUpgrade(socket: Socket, refusal: Refusal, requestId: string): void {
  if (socket.destroyed) return;
  const body = errorBody(refusal);
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    'x-request-id': requestId,
    ...refusal.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const reason = STATUS_CODES[refusal.status] ?? 'Error';
  socket.end(`HTTP/1.1 ${refusal.status} ${reason}\r\n${lines.join('')}\r\n${body}`);
}
