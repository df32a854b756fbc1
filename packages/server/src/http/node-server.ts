import {
  createServer,
  type RequestListener,
  type Server,
  type ServerOptions,
  STATUS_CODES,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { HoldfastError, newId } from '../kernel/index.ts';
import { errorAnswer } from './error-body.ts';
import type { HttpLimits } from './limits.ts';

export interface TlsFiles {
  /** PEM. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;

/** Node's server with every bound set. Only WebSocket upgrades leave HTTP; `h2c` is ignored. */
export function createNodeServer(
  handler: RequestListener,
  limits: HttpLimits,
  tls: TlsFiles | undefined,
): Server {
  const options: ServerOptions = {
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: limits.checkIntervalMs,
    shouldUpgradeCallback: request => request.headers.upgrade?.toLowerCase() === 'websocket',
    // Node's own answer to a missing Host is empty; the application's names what is missing.
    requireHostHeader: false,
    noDelay: true,
  };
  const listener: RequestListener = (request, response) => {
    // After an upgrade that was not taken, Node's parser swallows the errors of a connection.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    handler(request, response);
  };
  const server =
    tls === undefined
      ? createServer(options, listener)
      : createTlsServer(
          {
            ...options,
            ...tls,
            minVersion: 'TLSv1.2',
            handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS,
          },
          listener,
        );
  // An unknown `Expect` may be ignored (RFC 9110 §10.1.1); Node's answer would bypass the guard.
  server.on('checkExpectation', listener);
  server.maxConnections = limits.maxConnections;
  return server;
}

const PARSER_FAULTS: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The headers are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
};

/**
 * Answers a request that the HTTP parser refused: the status names the fault, the body's code is
 * always `invalid_request`. Returns the status, or undefined when the peer has gone.
 */
export function answerParserError(
  error: Error & { code?: string },
  socket: Socket,
  lingerMs: number,
): number | undefined {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.destroyed) {
    socket.destroy();
    return undefined;
  }
  const [status, text] = PARSER_FAULTS[error.code ?? ''] ?? [400, 'The request is not valid HTTP.'];
  const requestId = newId('req');
  const answer = errorAnswer(new HoldfastError('invalid_request', text), 'problem', requestId);
  const body = JSON.stringify({ ...JSON.parse(answer.body), status });
  const headers = {
    ...answer.headers,
    'x-request-id': requestId,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  endWith(socket, httpText(status, headers, body), lingerMs);
  return status;
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
