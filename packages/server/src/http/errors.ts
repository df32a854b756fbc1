import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HoldfastError } from '../kernel/index.ts';
import type { Logger } from '../platform/telemetry/index.ts';
import { errorAnswer } from './error-body.ts';
import { faultOf } from './fault.ts';
import { patternOf } from './observe.ts';
import type { ErrorShape, RouteInfo, RouteTable } from './route.ts';
import { isNavigation, type StaticSite, sendSite } from './static-site.ts';

export interface ErrorHandling {
  readonly log: Logger;
  readonly table: RouteTable;
  /** Whether a path belongs to a WebSocket route. */
  readonly isUpgradePath: (path: string) => boolean;
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
    const routes = handling.table.at(path);
    return answer(request, reply, {
      error: unmatched(handling, request.method, path, routes),
      shape: routes[0]?.errors ?? 'problem',
      allow: routes.map(route => route.method),
    });
  });
}

function unmatched(
  handling: ErrorHandling,
  method: string,
  path: string,
  routes: readonly RouteInfo[],
): HoldfastError {
  if (method === 'GET' && handling.isUpgradePath(path)) {
    return new HoldfastError('upgrade_required', 'This route speaks WebSocket.');
  }
  if (routes.length > 0 && !routes.some(route => route.method === method)) {
    return new HoldfastError('method_not_allowed', 'This method is not accepted here.');
  }
  return new HoldfastError('not_found', 'No such route.');
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
