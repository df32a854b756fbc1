import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
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
