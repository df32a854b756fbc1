import type { SseStream } from '../../http/index.ts';
import type { Feed } from './feed.ts';
import { type Frame, gapFrame } from './frames.ts';

/** One log on a stream: how far its reader has come. */
export interface Strand {
  readonly subject: string;
  readonly feed: Feed;
  position: number;
  /** Its terminal event was sent. */
  ended: boolean;
}

/** How a stream writes the events of a strand. */
export interface View {
  /** The text of a batch; strands' positions are already past it. */
  write(strand: Strand, frames: readonly Frame[]): string | Uint8Array;
  /** Set where batches of one feed read alike for all readers: then they are made once. */
  readonly shared: boolean;
}

/**
 * Sends what the strands have, in order and each event once, and then what comes, until all have
 * ended or the stream is over. Feeds were joined before this is called: nothing falls in between.
 */
export async function pump(
  stream: SseStream,
  strands: readonly Strand[],
  view: View,
): Promise<void> {
  const bell = new Bell(stream.signal);
  while (!stream.signal.aborted) {
    // Before looking: what comes while we look rings it again.
    bell.arm(strands);
    let sent = false;
    for (const strand of strands) {
      if (strand.ended) continue;
      if (await sendNext(stream, strand, view)) sent = true;
      if (stream.signal.aborted) break;
    }
    if (strands.every(strand => strand.ended || strand.feed.over)) break;
    if (!sent) await bell.rung();
  }
  bell.disarm(strands);
}

/** Sends one batch of a strand; false when it has none. */
async function sendNext(stream: SseStream, strand: Strand, view: View): Promise<boolean> {
  const { feed, position } = strand;
  const batch = feed.isBehind(position) ? await feed.after(position) : feed.latest(position);
  if (batch === undefined || stream.signal.aborted) return false;
  const end = batch.frames.findIndex(frame => frame.ends);
  const frames = end < 0 ? batch.frames : batch.frames.slice(0, end + 1);
  strand.position = frames.at(-1)?.seq ?? batch.last;
  strand.ended = end >= 0;
  const first = frames[0]?.seq ?? batch.last + 1;
  if (first > position + 1) {
    await stream.send(gapFrame({ subject: strand.subject, after: position, next: first }));
  }
  if (frames.length === 0) return true;
  const isShared = view.shared && frames === batch.frames;
  const text = isShared ? (batch.memo ?? view.write(strand, frames)) : view.write(strand, frames);
  if (isShared) batch.memo = text;
  const full = stream.send(text as string | Uint8Array);
  if (full !== undefined) await full;
  return true;
}

/** Waits for any of some feeds, or for the stream's end, without losing a ring. */
class Bell {
  readonly #signal: AbortSignal;
  readonly #ring = () => {
    this.#rung = true;
    this.#resolve?.();
  };
  #rung = false;
  #resolve: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#ring, { once: true });
  }

  arm(strands: readonly Strand[]): void {
    this.#rung = this.#signal.aborted;
    for (const strand of strands) if (!strand.ended) strand.feed.onWake(this.#ring);
  }

  disarm(strands: readonly Strand[]): void {
    for (const strand of strands) strand.feed.offWake(this.#ring);
    this.#signal.removeEventListener('abort', this.#ring);
  }

  async rung(): Promise<void> {
    if (this.#rung) return;
    await new Promise<void>(resolve => {
      this.#resolve = resolve;
    });
    this.#resolve = undefined;
  }
}
