import { type SessionType, sessionType } from '@holdfast/protocol';
import type { Json } from './preview/session.ts';

/**
 * The types of sessions, by the `type` of their configuration: a conversation with a model, the
 * transcription of what is said, or its translation. A session keeps its type; each type has
 * events, fields and lockable parts of its own.
 * Source: openai-openapi `RealtimeSessionCreateRequestGA`, `RealtimeTranscriptionSessionCreate-
 * RequestGA`, `RealtimeTranslationSession`.
 */
/** A configuration without a type is a conversation's. */
export function typeOf(config: Json): SessionType {
  return sessionType.options.find(type => type === config.type) ?? 'realtime';
}
