import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ProxyTrust } from './client-address.ts';
import type { Guard, GuardedRequest } from './guard.ts';
import { patternOf } from './observe.ts';

/** Runs the guard before every route and every unmatched request, before a body is read. */
export function addAuthentication(app: FastifyInstance, guard: Guard, trust: ProxyTrust): void {
  app.decorateRequest('principal');
  app.decorateRequest('reauthenticate');
  app.addHook('onRequest', async (request, reply) => {
    const guarded = guardedRequest(request, trust);
    const principal = await guard.authenticate({
      ...guarded,
      setHeader: (name, value) => reply.header(name, value),
    });
    const reauthenticate = async () => {
      Object.assign(request, { principal: await guard.authenticate(guarded) });
    };
    Object.assign(request, { principal, reauthenticate });
  });
}

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * For long-lived responses: asks the guard again, as if the request arrived now, and replaces
     * the principal. Throws as the guard does.
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
