import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { HoldfastError, JsonScanner } from '../kernel/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import { createProxyTrust, type ProxyTrust } from './client-address.ts';
import { addErrorHandling, answerError, type ErrorHandling } from './errors.ts';
import { addAuthentication, type Guard, guardedRequest } from './guard.ts';
import {
  BODY_LIMIT_BYTES,
  CLOSE_GRACE_MS,
  HTTP_LIMITS,
  type HttpLimits,
  PATH_PARAM_MAX_CHARS,
} from './limits.ts';
import type { Absent } from './nearest-routes.ts';
import { answerParserError, createNodeServer, type TlsFiles } from './node-server.ts';
import {
  createRequestMetrics,
  observeRequests,
  type RequestMetrics,
  requestIdOf,
} from './observe.ts';
import { checkOneHost } from './one-host.ts';
import { type ApiInfo, addOpenapi } from './openapi.ts';
import { type RouteInfo, watchRoutes } from './route.ts';
import { addSecurityHeaders } from './security-headers.ts';
import { addStaticSite, type StaticSite } from './static-site.ts';
import { UpgradeRouter } from './upgrade/upgrade-router.ts';

export interface HttpServerOptions<P> {
  readonly guard: Guard<P>;
  readonly telemetry: Telemetry;
  readonly api: ApiInfo;
  readonly tls?: TlsFiles | undefined;
  /** Origins of other sites that may call; `https://app.example`, no path. */
  readonly corsOrigins: readonly string[];
  /** Proxies whose `X-Forwarded-For` and `-Proto` are trusted: addresses or ranges. */
  readonly trustedProxies?: readonly string[];
  /** Further sources that our pages may connect to. */
  readonly csp?: { readonly connectSrc?: readonly string[] };
  readonly bodyLimitBytes?: number;
  readonly limits?: Partial<HttpLimits>;
  readonly site?: StaticSite | undefined;
}

/** The HTTP side of one process. Register routes on `app` and `upgrades`, then `listen` once. */
export interface HttpServer<P> {
  readonly app: FastifyInstance;
  readonly upgrades: UpgradeRouter<P>;
  /** Every route and upgrade registered so far. */
  routes(): RouteInfo[];
  /** What is not offered, to be added to before `listen`. */
  readonly absent: Absent[];
  /** Resolves when requests are accepted; port 0 takes a free one. */
  listen(address: { host: string; port: number }): Promise<{ host: string; port: number }>;
  /**
   * Stops accepting, destroys upgraded sockets, lets requests finish for `graceMs`, cuts off the
   * rest. Idempotent.
   */
  close(graceMs?: number): Promise<void>;
}

export async function createHttpServer<P>(options: HttpServerOptions<P>): Promise<HttpServer<P>> {
  const { guard, telemetry } = options;
  const limits = { ...HTTP_LIMITS, ...options.limits };
  const metrics = createRequestMetrics(telemetry);
  const trust = createProxyTrust(options.trustedProxies ?? []);
  const upgrades = new UpgradeRouter<P>();
  const onAnswered: ErrorHandling['onAnswered'] = (request, error) =>
    guard.refused(guardedRequest(request, trust), error);
  const app = createApp(options, { limits, metrics, onAnswered });
  const table = watchRoutes(app, guard);
  const routes = () => [...table.routes(), ...upgrades.routes()];
  const absent: Absent[] = [];
  const known = () => ({ routes: routes(), absent });
  addErrorHandling(app, {
    log: telemetry.log,
    table,
    isUpgradePath: path => upgrades.matches(path),
    known,
    onAnswered,
    site: options.site,
  });
  const closing = { now: false };
  await addHooks(app, options, { limits, metrics, trust, closing });
  await addOpenapi(app, options.api);
  if (options.site) await addStaticSite(app, options.site);
  upgrades.attach(app.server, { guard, telemetry, metrics, limits, trust, known });
  return {
    app,
    upgrades,
    routes,
    absent,
    async listen(address) {
      await app.listen(address);
      return { host: address.host, port: (app.server.address() as AddressInfo).port };
    },
    async close(graceMs = CLOSE_GRACE_MS) {
      closing.now = true;
      upgrades.close();
      const cut = setTimeout(() => app.server.closeAllConnections(), graceMs);
      await app.close().finally(() => clearTimeout(cut));
    },
  };
}

function createApp<P>(
  options: HttpServerOptions<P>,
  parts: {
    limits: HttpLimits;
    metrics: RequestMetrics;
    onAnswered: ErrorHandling['onAnswered'];
  },
): FastifyInstance {
  const { limits, metrics, onAnswered } = parts;
  const { log } = options.telemetry;
  const app: FastifyInstance = Fastify({
    logger: false,
    bodyLimit: options.bodyLimitBytes ?? BODY_LIMIT_BYTES,
    routerOptions: { maxParamLength: PATH_PARAM_MAX_CHARS },
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: requestIdOf,
    frameworkErrors: (error, request, reply) => {
      reply.header('x-request-id', request.id);
      answerError({ log, onAnswered }, request, reply, error);
    },
    clientErrorHandler: (error, socket) => {
      const status = answerParserError(error, socket, limits.refusalLingerMs);
      if (status !== undefined) metrics.count('OTHER', 'malformed', status);
    },
    serverFactory: (handler): Server => createNodeServer(handler, limits, options.tls),
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  setParsers(app);
  return app;
}

/**
 * JSON of bounded shape only; an empty JSON body is no body. Routes that take something else add
 * their parser.
 */
function setParsers(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined);
    try {
      new JsonScanner('The body').push(body);
    } catch (fault) {
      return done(fault as Error);
    }
    parseJson(request, body as string, done);
  });
}

/** The order matters: refusals, too, carry a request id and the security headers. */
async function addHooks<P>(
  app: FastifyInstance,
  options: HttpServerOptions<P>,
  parts: {
    limits: HttpLimits;
    metrics: RequestMetrics;
    trust: ProxyTrust;
    closing: { now: boolean };
  },
): Promise<void> {
  const { limits, metrics, trust, closing } = parts;
  observeRequests(app, options.telemetry, metrics);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    if (closing.now) reply.header('connection', 'close');
  });
  await addSecurityHeaders(app, {
    tls: options.tls !== undefined,
    corsOrigins: options.corsOrigins,
    connectSrc: options.csp?.connectSrc ?? [],
  });
  app.addHook('onRequest', async request => {
    if (request.url.length > limits.maxUrlBytes) {
      throw new HoldfastError('invalid_request', 'The URL is too long.');
    }
    if (request.headers.host === undefined && request.raw.httpVersion !== '1.0') {
      throw new HoldfastError('invalid_request', 'The Host header is missing.', { field: 'host' });
    }
    checkOneHost(request.raw);
  });
  addAuthentication(app, options.guard, trust);
}
