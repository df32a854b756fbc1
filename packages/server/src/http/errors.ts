import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HoldfastError } from '../kernel/index.ts';
import type { Logger } from '../platform/telemetry/index.ts';
import { errorAnswer } from './error-body.ts';
import { faultOf } from './fault.ts';
import { nearestTo } from './nearest-routes.ts';
import { patternOf } from './observe.ts';
import type { ErrorShape, RouteInfo, RouteTable } from './route.ts';
import { isNavigation, type StaticSite, sendSite } from './static-site.ts';

export interface ErrorHandling {
  readonly log: Logger;
  readonly table: RouteTable;
  /** Whether a path belongs to a WebSocket route. */
  readonly isUpgradePath: (path: string) => boolean;
  /** Every route and upgrade, and what is known not to be offered. */
  readonly known: () => Parameters<typeof nearestTo>[2];
  /** Called for each error response. */
  readonly onAnswered: (request: FastifyRequest, error: HoldfastError) => void;
  readonly site?: StaticSite | undefined;
}

/** The one mapper: everything that goes wrong in a request ends here. */
export function addErrorHandling(app: FastifyInstance, handling: ErrorHandling): void {
  app.setErrorHandler((thrown, request, reply) => answerError(handling, request, reply, thrown));
  app.setNotFoundHandler(async (request, reply) => {
    const { site } = handling;
    if (site !== undefined && isNavigation(request, site)) return sendSite(site, reply);
    const path = request.url.split('?', 1)[0] ?? '';
    const here = handling.table.at(path);
    const nearest = nearestTo(path, request.headers, handling.known());
    const error = misused(handling, { method: request.method, path, here }) ?? nearest.error;
    const shape = here[0]?.errors ?? nearest.shape;
    return answer(request, reply, { error, shape, allow: here.map(route => route.method) });
  });
}

/** What is wrong with a request of a path that there is; undefined where there is none. */
function misused(
  handling: ErrorHandling,
  asked: { method: string; path: string; here: readonly RouteInfo[] },
): HoldfastError | undefined {
  const { method, path, here } = asked;
  if (method === 'GET' && handling.isUpgradePath(path)) {
    return new HoldfastError('upgrade_required', 'This route speaks WebSocket.');
  }
  if (here.length > 0 && !here.some(route => route.method === method)) {
    return new HoldfastError('method_not_allowed', 'This method is not accepted here.');
  }
  return undefined;
}

export function answerError(
  handling: Pick<ErrorHandling, 'log' | 'onAnswered'>,
  request: FastifyRequest,
  reply: FastifyReply,
  thrown: unknown,
): FastifyReply {
  const error = request.raw.readableAborted
    ? new HoldfastError('invalid_request', 'The request ended early.', { cause: thrown })
    : faultOf(thrown);
  if (error.status >= 500) {
    request.trace?.fail(error.cause ?? error);
    handling.log.error('http.failed', {
      request_id: request.id,
      route: patternOf(request),
      code: error.code,
      err: error.cause ?? error,
    });
  }
  handling.onAnswered(request, error);
  const shape = request.routeOptions.config?.errors ?? 'problem';
  return answer(request, reply, { error, shape, allow: [] });
}

function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  what: { error: HoldfastError; shape: ErrorShape; allow: readonly string[] },
): FastifyReply {
  const { status, headers, body } = errorAnswer(what.error, what.shape, request.id);
  if (status === 426) reply.header('upgrade', 'websocket');
  if (status === 405) reply.header('allow', [...new Set(what.allow)].join(', '));
  // A route may have announced a body of its own before it failed.
  for (const name of ['content-length', 'content-range', 'content-disposition', 'etag']) {
    reply.removeHeader(name);
  }
  return reply.status(status).headers(headers).send(body);
}
