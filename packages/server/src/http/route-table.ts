import type { FastifyInstance } from 'fastify';
import type { Guard } from './guard.ts';
import { compilePath } from './path-pattern.ts';
import type { RouteInfo } from './route.ts';

export interface RouteTable {
  routes(): RouteInfo[];
  /** Routes of other methods at this path: what a 405 lists in `Allow`. */
  at(path: string): RouteInfo[];
}

/** Checks and remembers every route registered after this; one without a policy stops the start. */
export function watchRoutes(app: FastifyInstance, guard: Guard): RouteTable {
  const routes: RouteInfo[] = [];
  app.addHook('onRoute', route => {
    // The CORS plugin registers this one itself and answers it before any handler.
    if (route.method === 'OPTIONS' && route.url === '*') {
      route.config = { ...route.config, policy: 'public.preflight', quiet: true };
    }
    const policy = route.config?.policy;
    for (const method of [route.method].flat()) {
      guard.checkRoute({ method, url: route.url, policy });
      const errors = route.config?.errors ?? 'problem';
      routes.push({ method, url: route.url, policy: policy ?? '', errors });
    }
  });
  return {
    routes: () => [...routes],
    at: path =>
      routes.filter(({ url }) => url.startsWith('/') && compilePath(url).match(path) !== null),
  };
}
