/**
 * One handler per client event. A handler checks what the schema cannot, acts through the session's
 * verbs, and throws `ProtocolError` when the client is at fault; the session answers that.
 */
import { decodeAudio } from './append.ts';
import type { ClientEvent, ClientEventType, ResponseParams } from './client-events.ts';
import { applyRequest, parseSessionRequest, type SessionConfig } from './config.ts';
import { ProtocolError } from './errors.ts';
import { takeItem } from './given-item.ts';
import type { Interrupted } from './host.ts';
import type { Item } from './items.ts';
import { type TurnHost, type Turns, withAudio } from './turns.ts';

export interface UpdateAnswer {
  readonly how: 'refuse' | 'ignore' | 'forget';
  readonly code: string;
  readonly message: string;
  readonly namesEvent: boolean;
}

/** The session as its handlers act on it. */
export interface EventHost extends TurnHost {
  readonly turns: Turns;
  /** How a fault has it answer `session.update`. */
  readonly updateAnswer: UpdateAnswer | undefined;
  append(bytes: Buffer): void;
  reconfigure(config: SessionConfig): void;
  createResponse(params: ResponseParams): void;
  cancelResponse(responseId: string | undefined): void;
  truncate(cut: Omit<Interrupted, 'responseId'>): void;
  clearOutput(): void;
}

type Of<T extends ClientEventType> = Extract<ClientEvent, { type: T }>;
type Handlers = { [T in ClientEventType]: (session: EventHost, event: Of<T>) => void };

const HANDLERS: Handlers = {
  'session.update': (session, event) => {
    if (session.updateAnswer !== undefined) return answerWrongly(session, event.event_id);
    const request = parseSessionRequest(event.session);
    session.reconfigure(applyRequest(session.config, request, session.conversation.hasSpoken));
  },
  'input_audio_buffer.append': (session, event) => session.append(decodeAudio(event.audio)),
  'input_audio_buffer.commit': session => session.turns.commit(),
  'input_audio_buffer.clear': session => {
    session.turns.clear();
    session.emit({ type: 'input_audio_buffer.cleared' });
  },
  'conversation.item.create': createItem,
  'conversation.item.retrieve': (session, event) => {
    const item = findItem(session, event.item_id, 'retrieve');
    // Over WebRTC a data channel message is too small for audio.
    const audio = session.media === undefined ? session.conversation.audioOf(item.id) : undefined;
    const shown = item.type === 'message' ? withAudio(item, audio) : item;
    session.emit({ type: 'conversation.item.retrieved', item: shown });
  },
  'conversation.item.truncate': truncateItem,
  'conversation.item.delete': (session, event) => {
    const { id } = findItem(session, event.item_id, 'delete');
    session.conversation.remove(id);
    session.emit({ type: 'conversation.item.deleted', item_id: id });
  },
  'response.create': (session, event) => session.createResponse(event.response ?? {}),
  'response.cancel': (session, event) => session.cancelResponse(event.response_id ?? undefined),
  'output_audio_buffer.clear': session => session.clearOutput(),
};

/** What a session that only transcribes takes. */
const OF_TRANSCRIPTION =
  /^(?:session\.update|input_audio_buffer\.\w+|conversation\.item\.retrieve)$/;

export function handle(session: EventHost, event: ClientEvent): void {
  if (session.config.type === 'transcription' && !OF_TRANSCRIPTION.test(event.type)) {
    const message = `'${event.type}' is not allowed in a transcription session.`;
    throw new ProtocolError('invalid_event', message, 'type');
  }
  const handler = HANDLERS[event.type] as (session: EventHost, event: ClientEvent) => void;
  handler(session, event);
}

function answerWrongly(session: EventHost, eventId: string | undefined): void {
  const { how, code, message, namesEvent } = session.updateAnswer!;
  if (how === 'forget') session.emit({ type: 'session.updated', session: session.config });
  if (how !== 'refuse') return;
  const event_id = (namesEvent && eventId) || null;
  const type = 'invalid_request_error';
  session.emit({ type: 'error', error: { type, code, message, param: 'session', event_id } });
}

function findItem(session: EventHost, id: string, verb: string): Item {
  const item = session.conversation.find(id);
  if (item !== undefined) return item;
  const message = `Error with item '${id}': the item does not exist.`;
  throw new ProtocolError(`item_${verb}_invalid_item_id`, message, 'item_id');
}

function createItem(session: EventHost, event: Of<'conversation.item.create'>): void {
  const item = takeItem(session, event.item);
  session.conversation.insert(item, event.previous_item_id);
  const previous_item_id = session.conversation.previousOf(item.id);
  session.emit({ type: 'conversation.item.added', previous_item_id, item });
  session.emit({ type: 'conversation.item.done', previous_item_id, item });
}

function truncateItem(session: EventHost, event: Of<'conversation.item.truncate'>): void {
  const { item_id, content_index, audio_end_ms } = event;
  const item = findItem(session, item_id, 'truncate');
  if (item.type !== 'message' || item.role !== 'assistant') {
    const message = 'Only assistant message items can be truncated.';
    throw new ProtocolError('item_truncate_invalid_item_id', message, 'item_id');
  }
  const spokenMs = session.conversation.spokenMsOf(item.id);
  if (audio_end_ms > spokenMs) {
    const message = `Audio content of ${spokenMs}ms is already shorter than ${audio_end_ms}ms`;
    throw new ProtocolError('invalid_value', message, 'audio_end_ms');
  }
  session.truncate({ itemId: item.id, contentIndex: content_index, playedMs: audio_end_ms });
}
