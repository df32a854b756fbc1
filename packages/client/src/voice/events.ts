/**
 * The server events of OpenAI's GA Realtime API that a voice session reads, and our own
 * `holdfast.session`. Source: openai/openai-openapi, `openapi.yaml`, RealtimeServerEvent. All
 * fields are optional here: an unexpected server event must not break the page.
 */
export interface ResponseItem {
  id?: string;
  type?: string;
  role?: string;
  name?: string;
  call_id?: string;
  arguments?: string;
  content?: { type?: string; text?: string; transcript?: string }[];
}

export interface ResponseUsage {
  total_tokens?: number;
  input_tokens?: number;
  output_tokens?: number;
  input_token_details?: { audio_tokens?: number; cached_tokens?: number };
  output_token_details?: { audio_tokens?: number };
}

interface SessionConfig {
  id?: string;
  audio?: {
    input?: { turn_detection?: { create_response?: boolean; interrupt_response?: boolean } | null };
  };
}

interface Piece {
  response_id?: string;
  item_id?: string;
  content_index?: number;
}

export type KnownEvent =
  | { type: 'session.created' | 'session.updated'; session?: SessionConfig }
  | {
      type: 'holdfast.session';
      session?: {
        id?: string;
        revision?: string;
        replica?: string;
        resume_token?: string | null;
        resumed?: { input?: number; output?: number; lost?: number; withheld?: number };
      };
    }
  | { type: 'holdfast.session.acknowledged'; input?: number }
  | { type: 'input_audio_buffer.speech_started'; item_id?: string; audio_start_ms?: number }
  | { type: 'input_audio_buffer.speech_stopped'; item_id?: string; audio_end_ms?: number }
  | {
      type: 'conversation.item.added' | 'conversation.item.done';
      item?: ResponseItem;
    }
  | {
      type: 'conversation.item.input_audio_transcription.delta';
      item_id?: string;
      delta?: string;
    }
  | {
      type: 'conversation.item.input_audio_transcription.completed';
      item_id?: string;
      transcript?: string;
    }
  | { type: 'conversation.item.input_audio_transcription.failed'; item_id?: string }
  | { type: 'conversation.item.truncated'; item_id?: string; audio_end_ms?: number }
  | { type: 'response.created'; response?: { id?: string } }
  | ({ type: 'response.output_audio.delta'; delta?: string } & Piece)
  | ({ type: 'response.output_audio_transcript.delta'; delta?: string } & Piece)
  | ({ type: 'response.output_audio_transcript.done'; transcript?: string } & Piece)
  | ({ type: 'response.output_text.delta'; delta?: string } & Piece)
  | ({ type: 'response.output_text.done'; text?: string } & Piece)
  | { type: 'response.output_item.done'; response_id?: string; item?: ResponseItem }
  | {
      type: 'response.done';
      response?: {
        id?: string;
        status?: string;
        output?: ResponseItem[];
        usage?: ResponseUsage | null;
      };
    }
  | {
      type: 'output_audio_buffer.started' | 'output_audio_buffer.stopped';
      response_id?: string;
    }
  | { type: 'output_audio_buffer.cleared'; response_id?: string }
  | {
      type: 'error';
      error?: { type?: string; code?: string | null; message?: string; event_id?: string | null };
    };

/** Any event; narrow it with `known`. */
export interface ServerEvent {
  type: string;
  [field: string]: unknown;
}

/** The same event, as one of those this package reads; others fall through a switch. */
export function known(event: ServerEvent): KnownEvent {
  return event as unknown as KnownEvent;
}

/** Parses one message; null where it is not an event. */
export function parseEvent(message: unknown): ServerEvent | null {
  if (typeof message !== 'string') return null;
  try {
    const value: unknown = JSON.parse(message);
    const isEvent =
      typeof value === 'object' &&
      value !== null &&
      'type' in value &&
      typeof value.type === 'string';
    return isEvent ? (value as ServerEvent) : null;
  } catch {
    return null;
  }
}
