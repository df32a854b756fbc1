import {
  apiKeyPage,
  apiKeyRequest,
  auditPage,
  createdApiKey,
  listQuery,
  me,
} from '@holdfast/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Auth } from './create-auth.ts';

/** What the console must know before it can draw anything. */
export const consoleInfo = z.object({
  mode: z.enum(['local', 'oidc']),
  notice: z.string().nullable(),
  revision: z.string(),
  replica: z.string(),
  recording: z.object({ bits_per_second: z.number().int(), max_bytes: z.number().int() }),
  webrtc: z.boolean(),
});
export type ConsoleInfo = z.infer<typeof consoleInfo>;

const TAGS = ['access'];

/** Who am I, what is this server, API keys, the audit log. */
export function authRoutes(auth: Auth, info: Omit<ConsoleInfo, 'mode'>): FastifyPluginAsyncZod {
  return async app => {
    app.get(
      '/v1/me',
      {
        config: { policy: 'me.read' },
        schema: {
          tags: TAGS,
          summary: 'Who the server takes the caller for',
          response: { 200: me },
        },
      },
      async request => {
        const { id, name, kind, projectId, role } = request.principal;
        return { id, name, kind, project_id: projectId, role, mode: auth.mode };
      },
    );
    app.get(
      '/v1/console',
      {
        config: { policy: 'me.read' },
        schema: { tags: TAGS, summary: 'What the console shows', response: { 200: consoleInfo } },
      },
      async () => ({ mode: auth.mode, ...info }),
    );
    app.get(
      '/v1/audit',
      {
        config: { policy: 'audit.read' },
        schema: {
          tags: TAGS,
          summary: 'Acts of Admins, and denials; newest first',
          querystring: listQuery,
          response: { 200: auditPage },
        },
      },
      async request => auth.audit.list(request.principal.projectId, request.query),
    );
    await app.register(apiKeyRoutes(auth));
  };
}

function apiKeyRoutes(auth: Auth): FastifyPluginAsyncZod {
  const config = { policy: 'keys.manage' };
  return async app => {
    app.get(
      '/v1/api-keys',
      {
        config,
        schema: {
          tags: TAGS,
          summary: 'API keys of the project, newest first',
          querystring: listQuery,
          response: { 200: apiKeyPage },
        },
      },
      async request => auth.apiKeys.list(request.principal, request.query),
    );
    app.post(
      '/v1/api-keys',
      {
        config,
        schema: {
          tags: TAGS,
          summary: 'Create an API key; the only time that it is shown',
          body: apiKeyRequest,
          response: { 201: createdApiKey },
        },
      },
      async (request, reply) => {
        const { name, role, expires_in_days: expiresInDays } = request.body;
        const wanted = { name, role, expiresInDays };
        const created = await auth.apiKeys.create(request.principal, wanted, request.id);
        return reply.status(201).header('cache-control', 'no-store').send(created);
      },
    );
    app.delete(
      '/v1/api-keys/:id',
      {
        config,
        schema: {
          tags: TAGS,
          summary: 'Revoke an API key',
          params: z.object({ id: z.string().max(64) }),
          response: { 204: z.undefined() },
        },
      },
      async (request, reply) => {
        await auth.apiKeys.revoke(request.principal, request.params.id, request.id);
        return reply.status(204).send();
      },
    );
  };
}
