import type { FastifyInstance } from 'fastify';
import FindMyWay from 'find-my-way';
import type { Guard } from './guard.ts';
import { PATH_PARAM_MAX_CHARS } from './limits.ts';

/** The shape of a route's error bodies. */
export type ErrorShape = 'problem' | 'openai' | 'anthropic' | 'google';

/**
 * What every HTTP route declares besides its schema, in Fastify's route `config`. `policy` names a
 * row of the policy table that the guard knows; a route without one does not register. `errors`
 * picks the error body: our problem+json, or a provider's error object on provider-shaped routes.
 * `quiet` routes (probes, assets) are logged at debug level only.
 */
export interface RouteConfig {
  readonly policy: string;
  readonly errors?: ErrorShape;
  readonly quiet?: boolean;
  /** Pages of the listed origins may show or play the answer, as in `<audio src>`. */
  readonly embeddable?: boolean;
}

/** A registered route or upgrade, as `HttpServer.routes()` lists it. */
export interface RouteInfo {
  /** An HTTP method, or `WS` for a WebSocket upgrade. */
  readonly method: string;
  /** The pattern, such as `/v1/things/:id`. */
  readonly url: string;
  readonly policy: string;
  readonly errors: ErrorShape;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    policy?: string;
    errors?: ErrorShape;
    quiet?: boolean;
    embeddable?: boolean;
  }
}

export interface RouteTable {
  routes(): RouteInfo[];
  /** Routes of other methods at this path: what a 405 lists in `Allow`. */
  at(path: string): RouteInfo[];
}

/** Checks and remembers every route registered after this; one without a policy stops the start. */
export function watchRoutes(app: FastifyInstance, guard: Guard): RouteTable {
  const routes: RouteInfo[] = [];
  const paths = FindMyWay({ maxParamLength: PATH_PARAM_MAX_CHARS });
  app.addHook('onRoute', route => {
    // The CORS plugin registers this one itself and answers it before any handler.
    if (route.method === 'OPTIONS' && route.url === '*') {
      route.config = { ...route.config, policy: 'public.preflight', quiet: true };
    }
    const policy = route.config?.policy;
    for (const method of [route.method].flat()) {
      guard.checkRoute({ method, url: route.url, policy });
      const info: RouteInfo = {
        method,
        url: route.url,
        policy: policy ?? '',
        errors: route.config?.errors ?? 'problem',
      };
      routes.push(info);
      // Not the plugin's `*`, which would match every path.
      if (!route.url.startsWith('/')) continue;
      paths.on(method as FindMyWay.HTTPMethod, route.url, () => {}, info);
    }
  });
  return {
    routes: () => [...routes],
    at(path) {
      const methods = new Set(routes.map(route => route.method as FindMyWay.HTTPMethod));
      return [...methods].flatMap(method => paths.find(method, path)?.store ?? []);
    },
  };
}
