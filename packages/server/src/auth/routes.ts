import { auditPage, listQuery, me } from '@holdfast/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { addApiKeyRoutes } from './api-key-routes.ts';
import type { Auth } from './create-auth.ts';
import { addLimitRoutes } from './limit-routes.ts';

/** The facts that the console needs before its first page. */
const consoleInfo = z.object({
  mode: z.enum(['local', 'oidc']),
  notice: z.string().nullable(),
  simulated: z.boolean(),
  revision: z.string(),
  replica: z.string(),
  recording: z.object({ bits_per_second: z.number().int(), max_bytes: z.number().int() }),
  webrtc: z.boolean(),
  api_key_max_days: z.number().int().nullable(),
});
export type ConsoleInfo = z.infer<typeof consoleInfo>;

const TAGS = ['access'];

/** Who am I, what is this server, the audit log, API keys, limits. */
export function authRoutes(auth: Auth, info: Omit<ConsoleInfo, 'mode'>): FastifyPluginAsyncZod {
  return async app => {
    app.get(
      '/v1/me',
      {
        config: { policy: 'me.read' },
        schema: {
          tags: TAGS,
          summary: 'The authenticated caller',
          response: { 200: me },
        },
      },
      async request => {
        const { id, name, kind, projectId, role, basis } = request.principal;
        const endsAt = basis?.kind === 'console' ? await auth.sessions.endsAt(basis.id) : null;
        return {
          id,
          name,
          kind,
          project_id: projectId,
          role,
          mode: auth.mode,
          sign_in_ends_at: endsAt?.toISOString() ?? null,
        };
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
    addApiKeyRoutes(app, auth.apiKeys);
    addLimitRoutes(app, auth.limits);
  };
}
