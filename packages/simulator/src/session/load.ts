/**
 * The load stream: audio without end, at a fixed size and rate, cheap enough for hundreds of
 * sessions on part of a core. It ends with `response.cancel` or the connection.
 *
 * The schedule is absolute (what is due since the start, not one frame per timer), so a late timer
 * loses nothing. Rate 0 sends as fast as the reader reads: the response's own watch on the backlog
 * is then the only brake.
 */
import type { Random } from '../random.ts';
import type { MessageItem } from './items.ts';
import { closeItem, type OutputContext, openItem, placeOf, spend } from './output-context.ts';
import { outputAudioTokens } from './usage.ts';

/** Different frames in rotation, so that one lost, doubled or swapped changes the hash. */
const FRAME_VARIANTS = 16;
const BYTES_PER_MS = 48;

function makeFrames(random: Random, sizeBytes: number): Buffer[] {
  return Array.from({ length: FRAME_VARIANTS }, () => {
    const frame = Buffer.alloc(sizeBytes);
    for (let at = 0; at < sizeBytes; at++) frame[at] = random.below(256);
    return frame;
  });
}

export function* streamLoad(context: OutputContext, item: MessageItem): Generator<number, void> {
  const { host } = context;
  const place = placeOf(context, item);
  openItem(context, item);
  const part = { type: 'audio', transcript: '' } as const;
  host.emit({ type: 'response.content_part.added', ...place, part });
  try {
    yield* sendFrames(context, item);
  } finally {
    item.content = [{ type: 'output_audio', transcript: '' }];
    host.emit({ type: 'response.output_audio.done', ...place });
    host.emit({ type: 'response.output_audio_transcript.done', ...place, transcript: '' });
    host.emit({ type: 'response.content_part.done', ...place, part });
    closeItem(context, item, context.budget.left <= 0);
  }
}

function* sendFrames(context: OutputContext, item: MessageItem): Generator<number, void> {
  const { host } = context;
  const { loadFrameBytes, loadFramesPerSecond } = host.behaviour;
  const frames = makeFrames(host.random, loadFrameBytes);
  const place = { responseId: context.responseId, itemId: item.id, contentIndex: 0 };
  const tokens = outputAudioTokens(loadFrameBytes / BYTES_PER_MS);
  const intervalMs = loadFramesPerSecond === 0 ? 0 : 1_000 / loadFramesPerSecond;
  const startMs = host.clock.nowMs();
  for (let sent = 0; context.budget.left > 0; sent++) {
    host.emitAudio(place, context.outputIndex, frames[sent % FRAME_VARIANTS] as Buffer);
    host.conversation.keepSpoken(item.id, Math.floor(((sent + 1) * loadFrameBytes) / BYTES_PER_MS));
    spend(context, 'audio', tokens);
    yield Math.max(0, startMs + (sent + 1) * intervalMs - host.clock.nowMs());
  }
}
