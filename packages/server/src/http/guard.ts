import type { IncomingHttpHeaders } from 'node:http';
import type { HoldfastError } from '../kernel/index.ts';

/** A request as the guard sees it: the same for plain HTTP and for WebSocket upgrades. */
export interface GuardedRequest {
  readonly kind: 'http' | 'upgrade';
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** The query's values; may hold credentials, so never logged. */
  readonly query: URLSearchParams;
  /** The socket's peer, even behind a trusted proxy. */
  readonly remoteAddress: string | undefined;
  /** The client's address: the peer's, or the one that a trusted proxy forwards. */
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
 * Authenticates callers and enforces the policy of the route. Implemented by `auth/`; `http/` calls
 * it before a body is read and before an upgrade reaches its handler.
 */
export interface Guard<P = unknown> {
  /** Throws, which stops the start, when a route names no known policy. */
  checkRoute(route: { method: string; url: string; policy: string | undefined }): void;
  /** The caller, or undefined on public routes; throws the `HoldfastError` to answer. */
  authenticate(request: GuardedRequest): Promise<P | undefined>;
  /** Called for each error response, so that denials can be recorded. Never throws. */
  refused(request: GuardedRequest, error: HoldfastError): void;
}
