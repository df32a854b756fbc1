import { type SessionType, sessionType } from '@holdfast/protocol';
import type { Principal } from '../auth/index.ts';
import { HoldfastError } from '../kernel/index.ts';
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

/**
 * What a client secret fixes, or `asked` where there is none. A secret is for one type; a request
 * that names none gets that.
 */
export function configOf(principal: Principal, asked: Json): Json {
  const { grant } = principal;
  if (grant === undefined) return asked;
  const granted = typeOf(grant.session);
  if (asked.type === undefined || granted === typeOf(asked)) return grant.session;
  throw new HoldfastError('invalid_request', `This client secret is for a ${granted} session.`, {
    field: 'type',
    allowed: [granted],
  });
}
