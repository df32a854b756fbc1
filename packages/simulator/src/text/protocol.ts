/**
 * What differs between text protocols; the rest (credentials, faults, pace, accounts) is the
 * same for all of them. `Json` is parsed and unchecked: read it with the helpers below.
 */
import type { Conversation, Decision } from '../coding/conversation.ts';
import type { Usage } from '../coding/usage.ts';
import type { Refusal } from '../faults/fault.ts';
import type { Random } from '../random.ts';

export type Json = Readonly<Record<string, unknown>>;

export interface TextRequest {
  readonly conversation: Conversation;
  readonly stream: boolean;
}

export interface Answer {
  readonly body: Json;
  readonly model: string;
  readonly decision: Decision;
  readonly usage: Usage;
  readonly nowS: number;
  readonly random: Random;
}

export interface SseEvent {
  /** Sent as `event:`; left out by protocols that have none. */
  readonly event?: string;
  readonly data: unknown;
}

export interface TextProtocol {
  /** Throws `HttpError` for what the provider would refuse. `model` is the one in the path. */
  read(body: Json, target: { model: string | undefined; stream: boolean }): TextRequest;
  whole(answer: Answer): unknown;
  events(answer: Answer): SseEvent[];
  error(refusal: Refusal): unknown;
}

export function asObject(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : {};
}

export function asList(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(asObject) : [];
}

export function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The texts of a `content`, which is text or a list of parts. */
export function textsOf(content: unknown): string[] {
  if (typeof content === 'string') return [content];
  return asList(content).flatMap(part => (typeof part.text === 'string' ? [part.text] : []));
}

export function parseArguments(value: unknown): unknown {
  if (typeof value !== 'string') return value ?? {};
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

const PIECES = 3;

/** A few pieces, so that the client has to put them together. */
export function pieces(text: string): string[] {
  const sizeChars = Math.max(1, Math.ceil(text.length / PIECES));
  const found: string[] = [];
  for (let at = 0; at < text.length; at += sizeChars) found.push(text.slice(at, at + sizeChars));
  return found;
}
