import type { NewEvent } from '../platform/log/index.ts';
import { boundedText } from '../work/index.ts';
import { REFUSED_KEY } from './errors.ts';
import { entry, isObject, type Json } from './preview/session.ts';
import { countsOf, type ReportedUsage } from './usage.ts';

/**
 * What the log keeps of a realtime conversation: one GA event in, at most one log event out. Pure.
 * Audio never enters: only the fields named here are copied. Texts (transcripts, arguments,
 * results, instructions) go to the private part and are cut to what one log event may hold.
 * Source of the field names: openai-openapi `RealtimeServerEvent*`, `RealtimeClientEvent*`.
 */

const WORD_MAX_CHARS = 200;
const LIST_MAX = 128;

/** What an event reports as used, and what that costs (null: unknown). */
export interface Costed {
  readonly reported: ReportedUsage;
  readonly costUsd: number | null;
}

/** What the upstream said. */
export function serverLogEvent(event: Json, costed?: Costed): NewEvent | null {
  return entry(SERVER, event.type)?.(event, costed) ?? null;
}

/** What the client said. */
export function clientLogEvent(event: Json): NewEvent | null {
  if (event.type !== 'conversation.item.create' || !isObject(event.item)) return null;
  const { item } = event;
  if (item.type !== 'function_call_output') return null;
  return {
    type: 'tool.returned',
    data: { call_id: word(item.call_id) },
    private: { output: boundedText(item.output) },
  };
}

const SERVER: Readonly<Record<string, (event: Json, costed?: Costed) => NewEvent | null>> = {
  'session.updated': event => (isObject(event.session) ? sessionUpdated(event.session) : null),
  'input_audio_buffer.speech_started': event => ({
    type: 'speech.started',
    data: { audio_start_ms: number(event.audio_start_ms), item_id: wordOrNull(event.item_id) },
  }),
  'input_audio_buffer.speech_stopped': event => ({
    type: 'speech.stopped',
    data: { audio_end_ms: number(event.audio_end_ms), item_id: wordOrNull(event.item_id) },
  }),
  'conversation.item.added': itemAdded,
  'conversation.item.created': itemAdded,
  'conversation.item.truncated': event => ({
    type: 'item.truncated',
    data: { item_id: word(event.item_id), audio_end_ms: number(event.audio_end_ms) ?? 0 },
  }),
  'conversation.item.input_audio_transcription.completed': (event, costed) => {
    const { usage } = event;
    const isTimed = isObject(usage) && usage.type === 'duration';
    return {
      type: 'transcript.user',
      data: {
        item_id: word(event.item_id),
        usage_seconds: isTimed ? number(usage.seconds) : null,
        cost_usd: costed?.costUsd ?? null,
      },
      private: { text: boundedText(event.transcript) },
    };
  },
  'conversation.item.input_audio_transcription.failed': event => {
    const error = isObject(event.error) ? event.error : {};
    return {
      type: 'transcript.failed',
      data: { item_id: word(event.item_id), ...errorWords(error) },
      ...messageOf(error, 'message'),
    };
  },
  'response.mcp_call.failed': event => toolFailed(event, 'call'),
  'mcp_list_tools.failed': event => toolFailed(event, 'list'),
  'response.output_audio_transcript.done': event => transcript(event, event.transcript),
  'response.output_text.done': event => transcript(event, event.text),
  'response.function_call_arguments.done': event => ({
    type: 'tool.called',
    data: {
      item_id: wordOrNull(event.item_id),
      call_id: word(event.call_id),
      name: word(event.name),
    },
    private: { arguments: boundedText(event.arguments) },
  }),
  'response.done': (event, costed) =>
    isObject(event.response) ? responseDone(event.response, costed) : null,
  'rate_limits.updated': event => ({
    type: 'rate_limits.updated',
    data: { limits: list(event.rate_limits).filter(isObject).map(rateLimit) },
  }),
  error: event => (isObject(event.error) ? upstreamError(event.error) : null),
};

function itemAdded(event: Json): NewEvent | null {
  if (!isObject(event.item)) return null;
  const { item } = event;
  const parts = list(item.content).filter(isObject);
  const written = parts.map(part => part.text).filter(part => typeof part === 'string');
  return {
    type: 'item.added',
    data: {
      item_id: word(item.id),
      item_type: word(item.type),
      role: wordOrNull(item.role),
    },
    ...(written.length > 0 && { private: { text: boundedText(written.join('\n')) } }),
  };
}

function transcript(event: Json, spoken: unknown): NewEvent {
  return {
    type: 'transcript.assistant',
    data: { item_id: word(event.item_id), response_id: wordOrNull(event.response_id) },
    private: { text: boundedText(spoken) },
  };
}

function sessionUpdated(session: Json): NewEvent {
  const { instructions } = session;
  return {
    type: 'session.updated',
    data: {
      voice: voiceOf(session),
      output_modalities: list(session.output_modalities).map(word),
      tools: list(session.tools)
        .filter(isObject)
        .map(tool => word(tool.name ?? tool.type)),
    },
    ...(typeof instructions === 'string' && {
      private: { instructions: boundedText(instructions) },
    }),
  };
}

function responseDone(response: Json, costed: Costed | undefined): NewEvent {
  const details = isObject(response.status_details) ? response.status_details : {};
  const error = isObject(details.error) ? details.error : {};
  return {
    type: 'response.done',
    data: {
      response_id: word(response.id),
      status: word(response.status),
      status_reason: wordOrNull(details.reason ?? details.type),
      ...errorWords(error),
      usage: costed === undefined ? null : countsOf(costed.reported.used),
      cost_usd: costed?.costUsd ?? null,
    },
    ...messageOf(error, 'error_message'),
  };
}

const errorWords = (error: Json) => ({
  error_type: wordOrNull(error.type),
  error_code: wordOrNull(error.code),
});

/** Providers' messages may quote the conversation. */
function messageOf({ message }: Json, name: 'message' | 'error_message') {
  return typeof message === 'string' ? { private: { [name]: boundedText(message) } } : {};
}

const toolFailed = (event: Json, what: 'call' | 'list'): NewEvent => ({
  type: 'tool.failed',
  data: { item_id: word(event.item_id), what },
});

function rateLimit(limit: Json) {
  return {
    name: word(limit.name),
    remaining: number(limit.remaining) ?? 0,
    reset_seconds: number(limit.reset_seconds) ?? 0,
  };
}

function upstreamError(error: Json): NewEvent {
  return {
    type: 'upstream.error',
    data: { error_type: word(error.type), error_code: wordOrNull(error.code) },
    ...(error.code !== REFUSED_KEY && messageOf(error, 'message')),
  };
}

/** What an operator should see of a log event that tells what went wrong; null for all others. */
export function troubleIn({ type, data }: NewEvent): Record<string, unknown> | null {
  const { status, status_reason, error_type, error_code, limits } = data;
  switch (type) {
    case 'upstream.error':
    case 'transcript.failed':
      return { error_type, error_code };
    case 'tool.failed':
      return { what: data.what };
    case 'response.done':
      if (status !== 'failed' && status !== 'incomplete') return null;
      return { status, status_reason, error_type, error_code };
    case 'rate_limits.updated': {
      const exhausted = (limits as ReturnType<typeof rateLimit>[]).filter(
        limit => limit.remaining <= 0,
      );
      return exhausted.length > 0 ? { exhausted } : null;
    }
    default:
      return null;
  }
}

/** The voice a GA session object names. */
export function voiceOf(session: Json): string | null {
  const audio = isObject(session.audio) ? session.audio : {};
  const output = isObject(audio.output) ? audio.output : {};
  const { voice } = output;
  return wordOrNull(isObject(voice) ? voice.id : voice);
}

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value.slice(0, LIST_MAX) : []);

const word = (value: unknown): string =>
  typeof value === 'string' ? value.slice(0, WORD_MAX_CHARS) : '';

const wordOrNull = (value: unknown): string | null =>
  typeof value === 'string' ? word(value) : null;

const number = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;
