import { health } from '@holdfast/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { LifecycleState } from '../kernel/index.ts';
import type { HealthRegistry } from './health.ts';

const CONFIG = { policy: 'public.health', quiet: true } as const;
const probe = z.object({ status: z.string() });

/**
 * `/health` reports on dependencies. `/livez` says only that the process answers; `/readyz` that
 * it wants new work, so a load balancer that asks it stops sending while the process drains.
 */
export function healthRoutes(
  registry: HealthRegistry,
  state: () => LifecycleState,
): FastifyPluginAsyncZod {
  return async app => {
    for (const url of ['/health', '/health/']) {
      app.get(
        url,
        {
          config: CONFIG,
          schema: {
            tags: ['health'],
            summary: 'State of the dependencies',
            hide: url.endsWith('/'),
            response: { 200: health, 503: health },
          },
        },
        async (_request, reply) => {
          const answer = await registry.read();
          reply.header('cache-control', 'no-store');
          return reply.status(answer.status === 'unhealthy' ? 503 : 200).send(answer);
        },
      );
    }
    const schema = { tags: ['health'], response: { 200: probe, 503: probe } };
    app.get(
      '/livez',
      { config: CONFIG, schema: { ...schema, summary: 'Whether the process answers' } },
      async () => ({ status: 'alive' }),
    );
    app.get(
      '/readyz',
      { config: CONFIG, schema: { ...schema, summary: 'Whether the process wants new work' } },
      async (_request, reply) => {
        const now = state();
        reply.header('cache-control', 'no-store');
        return reply.status(now === 'ready' ? 200 : 503).send({ status: now });
      },
    );
  };
}
