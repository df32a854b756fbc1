import type { IncomingHttpHeaders } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { HoldfastError } from '../kernel/index.ts';
import type { ProxyTrust } from './client-address.ts';
import { patternOf } from './observe.ts';

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
  /** The guard let this request in before, and looks again: that is not another request. */
  readonly again?: true;
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
  /**
   * Calls `onOver` when the caller has no right any more; returns the function that ends the
   * watching. Absent: rights do not end.
   */
  follow?(principal: P, onOver: () => void): () => void;
  /** Called for each error response, so that denials can be recorded. Never throws. */
  refused(request: GuardedRequest, error: HoldfastError): void;
}

/** Runs the guard before every route and every unmatched request, before a body is read. */
export function addAuthentication(app: FastifyInstance, guard: Guard, trust: ProxyTrust): void {
  app.decorateRequest('principal');
  app.decorateRequest('reauthenticate');
  app.decorateRequest('bodyIsLate', true);
  app.addHook('onRequest', async (request, reply) => {
    const guarded = guardedRequest(request, trust);
    const bodyIsLate = await isBodyLate(request);
    const principal = await guard.authenticate({
      ...guarded,
      setHeader: (name, value) => reply.header(name, value),
    });
    const reauthenticate = async () => {
      Object.assign(request, { principal: await guard.authenticate({ ...guarded, again: true }) });
    };
    Object.assign(request, { principal, reauthenticate, bodyIsLate });
    if (bodyIsLate && principal !== undefined) {
      const unfollow = guard.follow?.(principal, () => request.raw.destroy());
      if (unfollow !== undefined) request.raw.once('close', unfollow);
    }
  });
  // A body may be withheld for minutes, in which the rights that let its headers in may have ended.
  app.addHook('preValidation', async request => {
    const { principal } = request as { principal?: unknown };
    if (principal !== undefined && request.bodyIsLate) await request.reauthenticate();
  });
  // What only some may see is kept nowhere on its way.
  app.addHook('onSend', async (request, reply) => {
    const { principal } = request as { principal?: unknown };
    const isPrivate = principal !== undefined && principal !== null;
    if (isPrivate && !reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
}

/** Whether a body is still to come, once what came with the headers has been read. */
async function isBodyLate({ method, raw }: FastifyRequest): Promise<boolean> {
  if (method === 'GET' || method === 'HEAD') return false;
  await nextTurn();
  return raw.complete !== true;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The body, or a part of it, was not here when the guard looked at the request. */
    bodyIsLate: boolean;
    /**
     * For long-lived responses, and handlers that read the body themselves, once they have it: asks
     * the guard again, as if the request arrived now but without counting it, and replaces the
     * principal. Throws as the guard does.
     */
    reauthenticate(): Promise<void>;
  }
}

/** A request as the guard sees it. Headers can only be set during the first authentication. */
export function guardedRequest(request: FastifyRequest, trust: ProxyTrust): GuardedRequest {
  const matched = request.is404 ? undefined : patternOf(request);
  const mark = request.url.indexOf('?');
  return {
    kind: 'http',
    method: request.method,
    headers: request.headers,
    query: new URLSearchParams(mark < 0 ? '' : request.url.slice(mark + 1)),
    remoteAddress: request.socket.remoteAddress,
    clientAddress: trust.addressOf(request.raw),
    secure: trust.secureOf(request.raw),
    requestId: request.id,
    route: matched,
    policy: matched === undefined ? undefined : request.routeOptions.config.policy,
    setHeader: () => {},
  };
}
