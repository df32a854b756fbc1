/**
 * Streams one output item of a response: opens it, sends it piece by piece, closes it. Each
 * function is a generator that yields the milliseconds to wait before its next piece; returning it
 * early (cancellation) closes the item as `incomplete`, with every closing event the protocol asks
 * for.
 */
import { AudioEncoder } from '../audio/format.ts';
import { msOf, samplesOf } from '../audio/pcm.ts';
import type { SessionHost } from './host.ts';
import type { FunctionCallItem, Item, MessageItem } from './items.ts';
import { streamLoad } from './load.ts';
import {
  closeItem,
  type OutputContext,
  openItem,
  pause,
  placeOf,
  spend,
} from './output-context.ts';
import type { Part } from './reply.ts';
import { outputAudioTokens, textTokens } from './usage.ts';

const WORD_PAUSE_MS = 40;
const ARGUMENT_PIECES = 3;

/** Streams `part` as `item`, which `itemFor` made for it. */
export function streamPart(
  context: OutputContext,
  part: Part,
  item: Item,
): Generator<number, void> {
  if (part.kind === 'speech') return streamSpeech(context, part, item as MessageItem);
  if (part.kind === 'text') return streamText(context, part.text, item as MessageItem);
  if (part.kind === 'load') return streamLoad(context, item as MessageItem);
  return streamCall(context, JSON.stringify(part.call.arguments), item as FunctionCallItem);
}

/** The item a part becomes, before anything of it is sent. */
export function itemFor(host: SessionHost, part: Part): Item {
  const base = {
    id: host.random.id('item'),
    object: 'realtime.item',
    status: 'in_progress',
  } as const;
  if (part.kind !== 'call') return { ...base, type: 'message', role: 'assistant', content: [] };
  const callId = host.random.id('call', 16);
  return { ...base, type: 'function_call', name: part.call.name, call_id: callId, arguments: '' };
}

type Speech = Extract<Part, { kind: 'speech' }>;

function* streamSpeech(
  context: OutputContext,
  part: Speech,
  item: MessageItem,
): Generator<number, void> {
  const { host } = context;
  const place = placeOf(context, item);
  const progress = { said: '', sent: 0 };
  openItem(context, item);
  const opening = { type: 'audio', transcript: '' } as const;
  host.emit({ type: 'response.content_part.added', ...place, part: opening });
  try {
    yield* sendSpeech(context, part, { item, progress });
  } finally {
    const transcript = progress.said;
    item.content = [{ type: 'output_audio', transcript }];
    host.emit({ type: 'response.output_audio.done', ...place });
    host.emit({ type: 'response.output_audio_transcript.done', ...place, transcript });
    const closing = { type: 'audio', transcript } as const;
    host.emit({ type: 'response.content_part.done', ...place, part: closing });
    closeItem(context, item, progress.sent >= part.samples.length);
  }
}

/** The words run ahead of the voice in step with it: both end with the last piece. */
function* sendSpeech(
  context: OutputContext,
  { samples, transcript }: Speech,
  { item, progress }: { item: MessageItem; progress: { said: string; sent: number } },
): Generator<number, void> {
  const { host } = context;
  const encoder = new AudioEncoder(context.format);
  const step = samplesOf(host.behaviour.audioDeltaMs);
  const audioPlace = { responseId: context.responseId, itemId: item.id, contentIndex: 0 };
  while (progress.sent < samples.length && context.budget.left > 0) {
    const piece = samples.subarray(progress.sent, progress.sent + step);
    progress.sent += piece.length;
    const words = wordsUpTo(transcript, progress.sent / samples.length).slice(progress.said.length);
    if (words !== '') {
      progress.said += words;
      const place = placeOf(context, item);
      host.emit({ type: 'response.output_audio_transcript.delta', ...place, delta: words });
      spend(context, 'text', textTokens(words));
    }
    host.media?.play(audioPlace, piece);
    if (host.wantsAudioEvents) {
      host.emitAudio(audioPlace, context.outputIndex, encoder.encode(piece));
    }
    host.conversation.keepSpoken(item.id, msOf(progress.sent));
    spend(context, 'audio', outputAudioTokens(msOf(piece.length)));
    yield pause(context, msOf(piece.length));
  }
}

/** The beginning of `text` up to `share` of it, cut between words. */
function wordsUpTo(text: string, share: number): string {
  if (share >= 1) return text;
  const end = text.indexOf(' ', Math.floor(text.length * share));
  return end < 0 ? text : text.slice(0, end);
}

function* streamText(
  context: OutputContext,
  text: string,
  item: MessageItem,
): Generator<number, void> {
  const { host } = context;
  const place = placeOf(context, item);
  let said = '';
  openItem(context, item);
  const opening = { type: 'text', text: '' } as const;
  host.emit({ type: 'response.content_part.added', ...place, part: opening });
  try {
    for (const delta of text.match(/\S+\s*/g) ?? []) {
      if (context.budget.left <= 0) break;
      said += delta;
      host.emit({ type: 'response.output_text.delta', ...place, delta });
      spend(context, 'text', textTokens(delta));
      yield pause(context, WORD_PAUSE_MS);
    }
  } finally {
    item.content = [{ type: 'output_text', text: said }];
    host.emit({ type: 'response.output_text.done', ...place, text: said });
    const closing = { type: 'text', text: said } as const;
    host.emit({ type: 'response.content_part.done', ...place, part: closing });
    closeItem(context, item, said === text);
  }
}

function* streamCall(
  context: OutputContext,
  text: string,
  item: FunctionCallItem,
): Generator<number, void> {
  const { host } = context;
  const { content_index: _, ...base } = placeOf(context, item);
  const place = { ...base, call_id: item.call_id };
  openItem(context, item);
  try {
    const size = Math.ceil(text.length / ARGUMENT_PIECES);
    for (let at = 0; at < text.length && context.budget.left > 0; at += size) {
      const delta = text.slice(at, at + size);
      item.arguments += delta;
      host.emit({ type: 'response.function_call_arguments.delta', ...place, delta });
      spend(context, 'text', textTokens(delta));
      yield pause(context, WORD_PAUSE_MS);
    }
  } finally {
    const done = { ...place, name: item.name, arguments: item.arguments };
    host.emit({ type: 'response.function_call_arguments.done', ...done });
    closeItem(context, item, item.arguments === text);
  }
}
