import type { IncomingHttpHeaders } from 'node:http';
import type { HoldfastError } from '../kernel/index.ts';

/** A request as the guard sees it: the same for plain HTTP and for WebSocket upgrades. */
export interface GuardedRequest {
  readonly kind: 'http' | 'upgrade';
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** The query's values; may hold credentials, so never logged. */
  readonly query: URLSearchParams;
  /** The socket's peer, whatever proxies say. */
  readonly remoteAddress: string | undefined;
  /** The client's address: the peer's, or what a trusted proxy says it is. */
  readonly clientAddress: string | undefined;
  /** Whether the client reached us over TLS. */
  readonly secure: boolean;
  readonly requestId: string;
  /** The matched route's pattern and policy; undefined when no route matched. */
  readonly route: string | undefined;
  readonly policy: string | undefined;
  /** Sets a header of the coming answer. */
  setHeader(name: string, value: string): void;
}

/**
 * Decides who may come in. Implemented by `auth/`; `http/` only calls it, before a body is read
 * and before an upgrade reaches its handler.
 */
export interface Guard<P = unknown> {
  /** Throws, which stops the start, when a route names no known policy. */
  checkRoute(route: { method: string; url: string; policy: string | undefined }): void;
  /** The caller, or undefined on public routes; throws the `HoldfastError` to answer. */
  admit(request: GuardedRequest): Promise<P | undefined>;
  /** Told of each error that is answered, so that denials can be recorded. Never throws. */
  refused(request: GuardedRequest, error: HoldfastError): void;
}
