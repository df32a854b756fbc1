import { AudioDecoder } from '../audio/format.ts';
import { samplesOf } from '../audio/pcm.ts';
import { decodeAudio } from './append.ts';
import type { NewItem } from './client-events.ts';
import { ProtocolError } from './errors.ts';
import type { SessionHost } from './host.ts';
import type { ContentPart, Item } from './items.ts';

/** Makes an item of what the client sent; audio in it is kept beside it, as the API does. */
export function takeItem(session: SessionHost, given: NewItem): Item {
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

function takePart(session: SessionHost, { id, part, index }: GivenPart): ContentPart {
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
