import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HoldfastError } from '../../kernel/index.ts';
import type { RouteConfig } from '../route.ts';

/** An authenticated WebSocket request; its handler makes the handshake. */
export interface Upgrade<P = unknown> {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** Bytes that came after the request; hand them to the WebSocket library. */
  readonly head: Buffer;
  /** Only path and query mean anything. Its values are never logged. */
  readonly url: URL;
  /** The decoded `:name` parts of the route's path. */
  readonly params: Record<string, string>;
  readonly requestId: string;
  readonly principal: P;
  /**
   * Answers an HTTP error in the route's shape and closes. After the handshake it only destroys
   * the socket, since HTTP would corrupt the WebSocket. Later calls do nothing.
   */
  refuse(error: HoldfastError): void;
}

export interface UpgradeRoute<P = unknown> {
  /** A pattern such as `/a/:b`. */
  readonly path: string;
  readonly config: RouteConfig;
  /** Owns the socket from here on; what it throws is answered by `refuse`. */
  handle(upgrade: Upgrade<P>): Promise<void>;
}
