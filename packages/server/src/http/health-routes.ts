import { health } from '@holdfast/protocol';
import type { FastifyInstance } from 'fastify';
import type { FastifyPluginAsyncZod, ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { LifecycleState } from '../kernel/index.ts';
import type { HealthRegistry } from './health.ts';

const CONFIG = { policy: 'public.health', quiet: true } as const;
const TAGS = ['health'];
const probe = z.object({ status: z.string() });

/**
 * `/health` reports on dependencies. `/livez` succeeds while the process answers, `/readyz` while
 * it accepts new work: a load balancer that polls it stops sending once the process drains.
 */
export function healthRoutes(
  registry: HealthRegistry,
  state: () => LifecycleState,
): FastifyPluginAsyncZod {
  return async app => {
    addHealth(app, registry, '/health', false);
    addHealth(app, registry, '/health/', true);
    const schema = { tags: TAGS, response: { 200: probe, 503: probe } };
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

function addHealth(
  plain: FastifyInstance,
  registry: HealthRegistry,
  url: string,
  hide: boolean,
): void {
  const response = { 200: health, 503: health };
  const schema = { tags: TAGS, summary: 'State of the dependencies', hide, response };
  const app = plain.withTypeProvider<ZodTypeProvider>();
  app.get(url, { config: CONFIG, schema }, async (_request, reply) => {
    const answer = await registry.read();
    reply.header('cache-control', 'no-store');
    return reply.status(answer.status === 'unhealthy' ? 503 : 200).send(answer);
  });
}
