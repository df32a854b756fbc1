import { z } from 'zod';
import { listQuery, page, timestamp } from './common.ts';

/** States of a voice session; the last three are final. */
export const SESSION_STATES = [
  'created',
  'connected',
  'disconnected',
  'ended',
  'expired',
  'failed',
] as const;
export const sessionState = z.enum(SESSION_STATES);
export type SessionState = z.infer<typeof sessionState>;

/** What a session is for. */
export const sessionType = z.enum(['realtime', 'transcription', 'translation']);
export type SessionType = z.infer<typeof sessionType>;

const tokens = z.number().int();

export const sessionUsage = z.object({
  responses: z.number().int(),
  input_tokens: tokens.describe('What the model read, what came from a cache included.'),
  input_text_tokens: tokens,
  input_audio_tokens: tokens,
  input_image_tokens: tokens,
  cached_tokens: tokens.describe('The part of the input that came from a cache.'),
  cached_text_tokens: tokens,
  cached_audio_tokens: tokens,
  cached_image_tokens: tokens,
  output_tokens: tokens,
  output_text_tokens: tokens,
  output_audio_tokens: tokens,
  total_tokens: tokens.describe('Input and output, without transcription.'),
  transcription_input_tokens: tokens.describe('Of the model that transcribes the user.'),
  transcription_output_tokens: tokens,
  transcription_seconds: z.number().describe('Where transcription is billed by length.'),
});
export type SessionUsage = z.infer<typeof sessionUsage>;

export const sessionCost = z.object({
  usd: z.number().nullable().describe('So far; null while `unpriced` names a model.'),
  unpriced: z.array(z.string()).describe('Models that have no price for what was used.'),
  unreported: z
    .number()
    .int()
    .describe('Responses and transcriptions whose usage was never reported: not in `usd`.'),
});
export type SessionCost = z.infer<typeof sessionCost>;

/** `GET /v1/sessions/{id}`. Times are the database's. */
export const session = z.object({
  id: z.string().describe('`ses_…`'),
  project_id: z.string(),
  label: z.string().nullable().describe('What its client calls its user; decides nothing.'),
  created_by: z.string(),
  state: sessionState,
  type: sessionType,
  transport: z.enum(['websocket', 'webrtc', 'sip']),
  protocol: z.enum(['ga', 'preview']),
  model: z.string(),
  voice: z.string().nullable(),
  upstream_session_id: z.string().nullable(),
  replica: z.string().nullable(),
  revision: z.string().nullable(),
  created_at: timestamp,
  connected_at: timestamp.nullable(),
  ended_at: timestamp.nullable(),
  expires_at: timestamp.nullable(),
  upstream_expires_at: timestamp.nullable(),
  last_activity_at: timestamp.nullable(),
  duration_s: z.number().nullable(),
  close_reason: z.string().nullable(),
  usage: sessionUsage,
  cost: sessionCost,
  recordings: z.object({ count: z.number().int(), duration_s: z.number() }),
  last_seq: z.number().int().describe('The newest event of the log.'),
});
export type Session = z.infer<typeof session>;

export const sessionListQuery = listQuery.extend({
  state: sessionState.optional(),
  active: z.stringbool().optional().describe('True: only sessions that hold a place.'),
  created_by: z.string().max(200).optional().describe('`me`, or a principal (Admins).'),
});
export const sessionPage = page(session);

export const eventListQuery = z.object({
  after: z.coerce.number().int().min(0).default(0).describe('Only events with a larger `seq`.'),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
});

/** The event of ours that follows the provider's `session.created` on a WebSocket. */
export const holdfastSessionEvent = z.object({
  type: z.literal('holdfast.session'),
  event_id: z.string(),
  session: z.object({
    id: z.string(),
    revision: z.string(),
    replica: z.string(),
    resume_token: z
      .string()
      .nullable()
      .describe('For `?resume=` of the next connection; null where none is awaited.'),
    resumed: z
      .object({
        input: z.number().int().describe("Messages of the client's that were taken."),
        output: z.number().int().describe('The number before that of the next message.'),
        lost: z.number().int().describe('Messages that are not known any more.'),
        withheld: z
          .number()
          .int()
          .describe('Messages that may have come before, and must not come twice.'),
      })
      .optional()
      .describe('On a connection that goes on; messages count from the first one of the session.'),
  }),
});
export type HoldfastSessionEvent = z.infer<typeof holdfastSessionEvent>;

/** For a client that asked (`acknowledge=true`): it need not keep these to send them again. */
export const holdfastAcknowledgedEvent = z.object({
  type: z.literal('holdfast.session.acknowledged'),
  event_id: z.string(),
  input: z.number().int().describe("Messages of the client's that were taken so far."),
});
export type HoldfastAcknowledgedEvent = z.infer<typeof holdfastAcknowledgedEvent>;

/** Our event for a client whose event was applied but for some fields. Its session goes on. */
export const holdfastWarningEvent = z.object({
  type: z.literal('holdfast.warning'),
  event_id: z.string(),
  warning: z.object({
    code: z.literal('field_not_applied'),
    message: z.string(),
    params: z.array(z.string()).describe('Paths of the fields.'),
    event_id: z.string().nullable().describe("The client's own id of its event."),
  }),
});
export type HoldfastWarningEvent = z.infer<typeof holdfastWarningEvent>;
