import { apiKeyPage, apiKeyRequest, createdApiKey, listQuery } from '@holdfast/protocol';
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ApiKeys } from './api-keys.ts';

const TAGS = ['access'];
const CONFIG = { policy: 'keys.manage' } as const;

export function addApiKeyRoutes(plain: FastifyInstance, apiKeys: ApiKeys): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  app.post(
    '/v1/api-keys',
    {
      config: CONFIG,
      schema: {
        tags: TAGS,
        summary: 'Create an API key; the only time that it is shown',
        body: apiKeyRequest,
        response: { 201: createdApiKey },
      },
    },
    async (request, reply) => {
      const { name, role, scopes, expires_in_days: expiresInDays } = request.body;
      const wanted = { name, role, scopes, expiresInDays };
      const created = await apiKeys.create(request.principal, wanted, request.id);
      return reply.status(201).header('cache-control', 'no-store').send(created);
    },
  );
  app.get(
    '/v1/api-keys',
    {
      config: CONFIG,
      schema: {
        tags: TAGS,
        summary: 'API keys of the project, newest first',
        querystring: listQuery,
        response: { 200: apiKeyPage },
      },
    },
    async request => apiKeys.list(request.principal, request.query),
  );
  app.delete(
    '/v1/api-keys/:id',
    {
      config: CONFIG,
      schema: {
        tags: TAGS,
        summary: 'Revoke an API key',
        params: z.object({ id: z.string().max(64) }),
      },
    },
    async (request, reply) => {
      await apiKeys.revoke(request.principal, request.params.id, request.id);
      return reply.status(204).send();
    },
  );
}
