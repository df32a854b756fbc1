import { newProviderKey, providerKey, providerKeyList } from '@holdfast/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ProviderKeys } from './provider-keys.ts';

const TAGS = ['provider keys'];
const CONFIG = { policy: 'provider_keys.manage' } as const;

/** `GET`, `POST /v1/provider-keys` and `DELETE /v1/provider-keys/{id}`, for Admins. */
export function providerKeyRoutes(keys: ProviderKeys): FastifyPluginAsyncZod {
  return async app => {
    app.get(
      '/v1/provider-keys',
      {
        config: CONFIG,
        schema: {
          tags: TAGS,
          summary: "The project's own provider keys, by their hints",
          response: { 200: providerKeyList },
        },
      },
      async request => ({ data: await keys.list(request.principal) }),
    );
    app.post(
      '/v1/provider-keys',
      {
        config: CONFIG,
        schema: {
          tags: TAGS,
          summary: 'Store a key; it replaces the one for this provider',
          body: newProviderKey,
          response: { 201: providerKey },
        },
      },
      async (request, reply) => {
        const added = await keys.add(request.principal, request.body, request.id);
        return reply.status(201).send(added);
      },
    );
    app.delete(
      '/v1/provider-keys/:id',
      {
        config: CONFIG,
        schema: {
          tags: TAGS,
          summary: 'Revoke a key and erase it',
          params: z.object({ id: z.string().max(64) }),
        },
      },
      async (request, reply) => {
        await keys.revoke(request.principal, request.params.id, request.id);
        return reply.status(204).send();
      },
    );
  };
}
