import { z } from 'zod';
import { define } from './catalogue.ts';

const count = z.number().int();
/** Logs of earlier releases lack some of them. */
const part = count.default(0);

/** Tokens of one response; what comes from a cache is part of the input. */
const usage = z.object({
  input_tokens: count,
  input_text_tokens: part,
  input_audio_tokens: part,
  input_image_tokens: part,
  cached_tokens: part,
  cached_text_tokens: part,
  cached_audio_tokens: part,
  cached_image_tokens: part,
  output_tokens: count,
  output_text_tokens: part,
  output_audio_tokens: part,
  total_tokens: count,
});
const costUsd = z.number().nullable().default(null).describe('Null: unknown.');
export type UsageCounts = z.infer<typeof usage>;

const replica = z.string().describe('The server process that held the session.');
const closeCode = z
  .number()
  .int()
  .nullable()
  .default(null)
  .describe('Of the close frame that ended the connection; 1006: there was none.');
const closeText = z.string().optional().describe('The reason in that close frame.');
const errorType = z.string().nullable().default(null);
const errorCode = z.string().nullable().default(null);

/** What the log of a voice session may contain. No event carries audio. */
export const SESSION_EVENTS = {
  'session.created': define('session', 'The session was registered.', {
    public: {
      type: z.string().default('realtime').describe('`realtime`, `transcription`, `translation`.'),
      model: z.string(),
      voice: z.string().nullable(),
      transport: z.string(),
    },
    private: { instructions: z.string().optional() },
  }),
  'session.connected': define('session', 'A client is connected and the upstream is open.', {
    public: {
      replica,
      revision: z.string(),
      transport: z.enum(['websocket', 'webrtc', 'sip']),
      protocol: z.enum(['ga', 'preview']),
      resumed: z
        .object({ away_ms: count, lost: count, withheld: count })
        .optional()
        .describe('Its client has come back; messages that it did not get.'),
    },
  }),
  'session.upstream_created': define('session', 'The model accepted the session.', {
    public: {
      upstream_session_id: z.string(),
      upstream_expires_at: z.iso.datetime({ offset: true }).nullable(),
    },
  }),
  'session.upstream_replaced': define(
    'session',
    'The model’s connection ended, or was about to; another took its place, and was told all.',
    {
      public: {
        reason: z
          .string()
          .describe(
            '`close`, `lost`, `silent`, `stalled`, `expired`, `drain`; `limit`: before its end.',
          ),
        close_code: closeCode,
        items: count.describe('Items of the conversation that it was told.'),
        left_out: count.describe('Items that it was not told.'),
        lost_input: count.describe('What the client had sent and the model has never got.'),
        continued: z.boolean().describe('A response that was cut is asked for once more.'),
        duration_ms: count,
      },
    },
  ),
  'session.updated': define('session', 'The effective configuration changed.', {
    public: {
      voice: z.string().nullable(),
      output_modalities: z.array(z.string()),
      tools: z.array(z.string()).describe('Names of the tools.'),
    },
    private: { instructions: z.string().optional() },
  }),
  'session.disconnected': define('session', 'The client is gone; the place is kept for a while.', {
    public: { replica, close_code: closeCode, reason: z.string() },
    private: { close_text: closeText },
  }),
  'session.gap': define('session', 'Another process took over; events in between may be missing.', {
    public: {
      reason: z.string().describe('`drain` or `replica_lost`.'),
      since: z.iso
        .datetime({ offset: true })
        .nullable()
        .describe('When the former holder last received anything from client or model.'),
    },
  }),
  'session.ended': define('session', 'The client, a user or the model ended the session.', {
    public: { reason: z.string(), duration_s: z.number(), close_code: closeCode },
    private: { close_text: closeText },
  }),
  'session.expired': define('session', 'The session ran out of time.', {
    public: { reason: z.string(), duration_s: z.number(), close_code: closeCode },
    private: { close_text: closeText },
  }),
  'session.failed': define('session', 'The session never worked.', {
    public: {
      reason: z.string(),
      duration_s: z.number(),
      close_code: closeCode,
      upstream_code: z.string().nullable().default(null).describe("The model provider's own code."),
    },
    private: { close_text: closeText },
  }),
  'speech.started': define('session', 'The model heard the user begin to speak.', {
    public: { audio_start_ms: z.number().nullable(), item_id: z.string().nullable() },
  }),
  'speech.stopped': define('session', 'The model heard the user stop.', {
    public: { audio_end_ms: z.number().nullable(), item_id: z.string().nullable() },
  }),
  'item.added': define('session', 'An item entered the conversation.', {
    public: { item_id: z.string(), item_type: z.string(), role: z.string().nullable() },
    private: { text: z.string().optional() },
  }),
  'item.truncated': define('session', 'What the user had not heard was cut off an answer.', {
    public: { item_id: z.string(), audio_end_ms: z.number() },
  }),
  'transcript.user': define('session', 'What the user said, as the model transcribed it.', {
    public: { item_id: z.string(), usage_seconds: z.number().nullable(), cost_usd: costUsd },
    private: { text: z.string() },
  }),
  'transcript.failed': define('session', 'What the user said could not be transcribed.', {
    public: { item_id: z.string(), error_type: errorType, error_code: errorCode },
    private: { message: z.string().optional() },
  }),
  'transcript.assistant': define('session', 'What the model said.', {
    public: { item_id: z.string(), response_id: z.string().nullable() },
    private: { text: z.string() },
  }),
  'tool.called': define('session', 'The model called a function.', {
    public: { item_id: z.string().nullable(), call_id: z.string(), name: z.string() },
    private: { arguments: z.string() },
  }),
  'tool.returned': define('session', 'The client answered a function call.', {
    public: { call_id: z.string() },
    private: { output: z.string() },
  }),
  'tool.failed': define('session', 'A tool that the provider calls itself (MCP) did not work.', {
    public: { item_id: z.string(), what: z.enum(['call', 'list']) },
  }),
  'response.done': define('session', 'The model finished, failed, or was stopped.', {
    public: {
      response_id: z.string(),
      status: z.string(),
      status_reason: z.string().nullable(),
      error_type: errorType,
      error_code: errorCode,
      usage: usage.nullable(),
      cost_usd: costUsd,
    },
    private: { error_message: z.string().optional() },
  }),
  'rate_limits.updated': define('session', 'What the provider still allows.', {
    public: {
      limits: z.array(
        z.object({ name: z.string(), remaining: z.number(), reset_seconds: z.number() }),
      ),
    },
  }),
  'upstream.error': define('session', 'The model reported an error; the session may go on.', {
    public: { error_type: z.string(), error_code: z.string().nullable() },
    private: { message: z.string().optional() },
  }),
  'journal.dropped': define('any', 'Events were lost because the database was away too long.', {
    public: { count: z.number().int() },
  }),
  'recording.uploaded': define('session', 'A recording is complete.', {
    public: {
      recording_id: z.string(),
      audio_type: z.string(),
      duration_s: z.number(),
      size_bytes: z.number().int(),
    },
  }),
  'recording.deleted': define('session', 'A recording was deleted.', {
    public: { recording_id: z.string() },
  }),
} as const;
