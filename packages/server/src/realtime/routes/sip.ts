import { realtimeSessionConfig } from '@holdfast/protocol';
import { z } from 'zod';
import { type App, callerOf } from '../../work/index.ts';
import type { SipCalls } from '../sip/sip-calls.ts';

/**
 * Calls by telephone: the routes of OpenAI's clients, and the webhook that announces a call.
 * Source: openai-openapi `/realtime/calls/{call_id}/accept`, `…/reject`, `…/refer`.
 */
const BASES = ['/v1/realtime', '/openai/v1/realtime'];
const TAGS = ['realtime'];
const WEBHOOK_MAX_BYTES = 256 * 1024;
const params = z.object({ id: z.string().max(200) });
const acceptance = realtimeSessionConfig.extend({
  type: z.literal('realtime').default('realtime'),
});
const rejection = z.object({ status_code: z.number().int().min(400).max(699).optional() });
const referral = z.object({ target_uri: z.string().min(1).max(1_000) });

export function addSipRoutes(app: App, calls: SipCalls): void {
  const config = { policy: 'realtime.answer', errors: 'openai' } as const;
  for (const base of BASES) {
    app.post(
      `${base}/calls/:id/accept`,
      {
        config,
        schema: { tags: TAGS, summary: 'Accept a SIP call', params, body: acceptance },
      },
      async (request, reply) => {
        await calls.accept(callerOf(request), request.params.id, request.body);
        return reply.status(200).send();
      },
    );
    app.post(
      `${base}/calls/:id/reject`,
      {
        config,
        schema: { tags: TAGS, summary: 'Reject a SIP call', params, body: rejection.nullish() },
      },
      async (request, reply) => {
        const { status_code } = request.body ?? {};
        const body = status_code === undefined ? {} : { status_code };
        await calls.reject(callerOf(request), request.params.id, body);
        return reply.status(200).send();
      },
    );
    app.post(
      `${base}/calls/:id/refer`,
      {
        config: { policy: 'realtime.sideband', errors: 'openai' },
        schema: { tags: TAGS, summary: 'Transfer a SIP call', params, body: referral },
      },
      async (request, reply) => {
        await calls.refer(callerOf(request), request.params.id, request.body);
        return reply.status(200).send();
      },
    );
  }
}

/** In a scope of its own: a signature holds for the bytes, so the body is not parsed. */
export function addWebhookRoute(app: App, calls: SipCalls): void {
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: WEBHOOK_MAX_BYTES },
    (_request, body, done) => done(null, body),
  );
  app.post(
    '/v1/realtime/webhook',
    {
      config: { policy: 'public.webhook', errors: 'openai' },
      schema: {
        tags: TAGS,
        summary: "The provider's webhook",
        description: 'Signed with OPENAI_WEBHOOK_SECRET (`webhook-signature`).',
      },
    },
    async (request, reply) => {
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const status = await calls.announce({ headers: request.headers, body });
      return reply.status(status).send();
    },
  );
}
