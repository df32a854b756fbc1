import type { IncomingMessage } from 'node:http';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';
import { HoldfastError } from '../kernel/index.ts';

export interface HeaderOptions {
  readonly tls: boolean;
  readonly corsOrigins: readonly string[];
  /** Further sources for scripts of our pages to connect to. */
  readonly connectSrc: readonly string[];
}

/** Characters of a host and a port; anything else must not reach a header. */
const HOST = /^[A-Za-z0-9.:[\]-]{1,255}$/;

/**
 * Security headers on every answer. Our pages run only our own scripts; `blob:` is for audio that
 * was recorded and for worklets. Styles may be inline, because the component library sets them.
 */
export async function addSecurityHeaders(
  app: FastifyInstance,
  options: HeaderOptions,
): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:', 'blob:'],
        fontSrc: ["'self'", 'data:'],
        connectSrc: ["'self'", request => ownSockets(request), ...options.connectSrc],
        mediaSrc: ["'self'", 'blob:'],
        workerSrc: ["'self'", 'blob:'],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    crossOriginEmbedderPolicy: false,
    hsts: options.tls ? { maxAge: 31_536_000 } : false,
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
  });
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('permissions-policy', 'microphone=(self), camera=(), geolocation=()');
  });
  addEmbedding(app, options.corsOrigins);
  await addCors(app, options.corsOrigins);
}

/**
 * What pages of other origins may embed. An `<audio>` element names its page in `Referer`, which no
 * page can forge; only one that asks for CORS sends `Origin`.
 */
function addEmbedding(app: FastifyInstance, origins: readonly string[]): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config?.embeddable !== true) return;
    const { origin, referer } = request.headers;
    const page = origin ?? (URL.canParse(referer ?? '') ? new URL(referer!).origin : undefined);
    if (page === undefined || !origins.includes(page)) return;
    reply.header('cross-origin-resource-policy', 'cross-origin');
  });
}

/** Not every browser counts sockets to the page's own host as `'self'`. */
function ownSockets(request: Pick<IncomingMessage, 'headers'>): string {
  const host = request.headers.host;
  return host !== undefined && HOST.test(host) ? `ws://${host} wss://${host}` : "'self'";
}

/**
 * Only listed origins may read our answers. Requests with credentials are allowed, but the guard
 * accepts a cookie from our own pages only. Without a list there are no CORS headers at all.
 */
async function addCors(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  app.addHook('onRequest', async request => {
    const { origin, 'access-control-request-method': wanted } = request.headers;
    if (request.method !== 'OPTIONS' || origin === undefined || wanted === undefined) return;
    if (origins.includes(origin)) return;
    throw new HoldfastError(
      'forbidden',
      'Pages of this origin may not call the server. List it in HOLDFAST_CORS_ORIGINS.',
      { field: 'origin' },
    );
  });
  await app.register(cors, {
    origin: origins.length === 0 ? false : [...origins],
    credentials: true,
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: [
      'x-request-id',
      'location',
      'retry-after',
      'content-range',
      'holdfast-session',
    ],
    maxAge: 600,
  });
}
