import type { FastifyInstance } from 'fastify';
import FindMyWay from 'find-my-way';
import type { Guard } from './guard.ts';
import { PATH_PARAM_MAX_CHARS } from './limits.ts';
import type { RouteInfo } from './route.ts';

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
