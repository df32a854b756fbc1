/**
 * The server events of the GA protocol. Names and fields are checked against the published types of
 * the `openai` client; only the nested objects are our own, because the published ones leave out
 * what the API really sends (`id`, `expires_at`, nulls).
 */
import type { RealtimeServerEvent } from 'openai/resources/realtime/realtime';
import type { SessionConfig } from './config.ts';
import type { Item } from './items.ts';
import type { Usage } from './usage.ts';

export interface WireResponse {
  object: 'realtime.response';
  id: string;
  status: 'in_progress' | 'completed' | 'cancelled' | 'incomplete' | 'failed';
  status_details: StatusDetails | null;
  output: Item[];
  conversation_id: string | null;
  output_modalities: ('text' | 'audio')[];
  max_output_tokens: number | 'inf';
  audio: { output: { format: { type: string; rate?: number }; voice: string } };
  /** As counted, or as the script has it. */
  usage: Usage | Record<string, unknown> | null;
  metadata: Record<string, string> | null;
}

export interface StatusDetails {
  type: 'completed' | 'cancelled' | 'incomplete' | 'failed';
  reason?: 'turn_detected' | 'client_cancelled' | 'max_output_tokens';
  error?: { type: string; code: string; message: string };
}

interface Nested {
  item: Item;
  session: SessionConfig;
  response: WireResponse;
}

type WithOwnObjects<T> = T extends { type: string }
  ? { [K in keyof Omit<T, 'event_id'>]: K extends keyof Nested ? Nested[K] : T[K & keyof T] }
  : never;

/** A server event without its `event_id`, which the session adds. */
export type ServerEvent = WithOwnObjects<RealtimeServerEvent>;
