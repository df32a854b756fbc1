/**
 * One handler per client event. A handler checks what the schema cannot, acts through the session's
 * verbs, and throws `ProtocolError` when the client is at fault; the session answers that.
 */
import { AudioDecoder } from '../audio/format.ts';
import { samplesOf } from '../audio/pcm.ts';
import { decodeAudio } from './append.ts';
import type { ClientEvent, ClientEventType, NewItem } from './client-events.ts';
import { applyRequest, parseSessionRequest } from './config.ts';
import { ProtocolError } from './errors.ts';
import type { ContentPart, Item } from './items.ts';
import type { RealtimeSession } from './session.ts';
import { withAudio } from './turns.ts';

type Of<T extends ClientEventType> = Extract<ClientEvent, { type: T }>;
type Handlers = { [T in ClientEventType]: (session: RealtimeSession, event: Of<T>) => void };

const HANDLERS: Handlers = {
  'session.update': (session, event) => {
    const request = parseSessionRequest(event.session);
    session.reconfigure(applyRequest(session.config, request, session.hasSpoken));
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

export function handle(session: RealtimeSession, event: ClientEvent): void {
  const handler = HANDLERS[event.type] as (session: RealtimeSession, event: ClientEvent) => void;
  handler(session, event);
}

function findItem(session: RealtimeSession, id: string, verb: string): Item {
  const item = session.conversation.find(id);
  if (item !== undefined) return item;
  const message = `Error with item '${id}': the item does not exist.`;
  throw new ProtocolError(`item_${verb}_invalid_item_id`, message, 'item_id');
}

function createItem(session: RealtimeSession, event: Of<'conversation.item.create'>): void {
  const item = takeItem(session, event.item);
  session.conversation.insert(item, event.previous_item_id);
  const previous_item_id = session.conversation.previousOf(item.id);
  session.emit({ type: 'conversation.item.added', previous_item_id, item });
  session.emit({ type: 'conversation.item.done', previous_item_id, item });
}

function truncateItem(session: RealtimeSession, event: Of<'conversation.item.truncate'>): void {
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

/** Makes an item of what the client sent; audio in it is kept beside it, as the API does. */
export function takeItem(session: RealtimeSession, given: NewItem): Item {
  const id = given.id ?? session.random.id('item');
  const base = { id, object: 'realtime.item', status: 'completed' } as const;
  if (given.type === 'function_call') {
    const call_id = given.call_id ?? session.random.id('call', 16);
    return { ...base, type: given.type, name: given.name, call_id, arguments: given.arguments };
  }
  if (given.type === 'function_call_output') {
    return { ...base, type: given.type, call_id: given.call_id, output: given.output };
  }
  const content = given.content.map((part, index) => takePart(session, { id, part, index }));
  return { ...base, type: 'message', role: given.role, content };
}

interface GivenPart {
  id: string;
  part: Extract<NewItem, { type: 'message' }>['content'][number];
  index: number;
}

function takePart(session: RealtimeSession, { id, part, index }: GivenPart): ContentPart {
  const { type, text, transcript, image_url } = part;
  if (type === 'input_text' || type === 'output_text') return { type, text: text ?? '' };
  if (type === 'input_image') return { type, image_url: image_url ?? '' };
  if (type === 'output_audio') {
    const message = 'Assistant audio cannot be populated; send its text instead.';
    throw new ProtocolError('invalid_value', message, `item.content[${index}].type`);
  }
  if (part.audio) {
    const bytes = decodeAudio(part.audio, `item.content[${index}].audio`);
    const samples = new AudioDecoder(session.config.audio.input.format.type).decode(bytes);
    if (samples.length >= samplesOf(1)) session.conversation.keepAudio(id, samples);
  }
  return { type, transcript: transcript ?? null };
}
