import { limit, limitList, newLimit } from '@holdfast/protocol';
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Limits } from './limits.ts';

const TAGS = ['access'];

export function addLimitRoutes(plain: FastifyInstance, limits: Limits): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  app.get(
    '/v1/limits',
    {
      config: { policy: 'limits.read' },
      schema: {
        tags: TAGS,
        summary: 'How much people, keys and the project may do at once',
        response: { 200: limitList },
      },
    },
    async request => limits.list(request.principal),
  );
  app.put(
    '/v1/limits',
    {
      config: { policy: 'limits.manage' },
      schema: {
        tags: TAGS,
        summary: 'Set the limits of the project or of one of its keys',
        body: newLimit,
        response: { 200: limit },
      },
    },
    async request => limits.put(request.principal, request.body, request.id),
  );
}
