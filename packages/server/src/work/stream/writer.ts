import type { SseStream } from '../../http/index.ts';
import type { Kind } from '../kinds.ts';
import { cursorText } from './cursor.ts';
import type { Feed } from './feed.ts';
import { type Frame, gapFrame } from './frames.ts';

/** One log on a stream: how far its reader has come. */
export interface Subscription {
  readonly subject: string;
  readonly kind: Kind;
  readonly feed: Feed;
  position: number;
  /** Its terminal event was sent. */
  ended: boolean;
}

/** How a stream writes the events of a subscription. */
export interface View {
  /** The text of a batch; the subscription's position is already past it. */
  write(subscription: Subscription, frames: readonly Frame[]): string | Uint8Array;
  /** Set where batches of one feed read alike for all readers: then they are made once. */
  readonly shared: boolean;
}

/** The stream of one log: `id` is the event's number. Written once for all who follow it. */
export const singleView: View = {
  shared: true,
  write: (_subscription, frames) =>
    Buffer.from(frames.map(frame => `id: ${frame.seq}\n${frame.body}`).join('')),
};

/** Many logs: `id` holds the position of each of them after the event. */
export function manyView(subscriptions: readonly Subscription[]): View {
  return {
    shared: false,
    write(subscription, frames) {
      const positions = new Map(subscriptions.map(one => [one.subject, one.position]));
      return frames
        .map(frame => {
          positions.set(subscription.subject, frame.seq);
          return `id: ${cursorText(positions)}\n${frame.body}`;
        })
        .join('');
    },
  };
}

/**
 * Sends what the subscriptions have, in order and each event once, and then what comes, until all
 * have ended or the stream is over. Feeds were joined before this is called: nothing falls in
 * between.
 */
export async function pump(
  stream: SseStream,
  subscriptions: readonly Subscription[],
  view: View,
): Promise<void> {
  const bell = new Bell(stream.signal);
  while (!stream.signal.aborted) {
    // Before the look: what comes during it rings the bell again.
    bell.arm(subscriptions);
    let sent = false;
    for (const subscription of subscriptions) {
      if (subscription.ended) continue;
      if (await sendNext(stream, subscription, view)) sent = true;
      if (stream.signal.aborted) break;
    }
    if (subscriptions.every(subscription => subscription.ended || subscription.feed.over)) break;
    if (!sent) await bell.rung();
  }
  bell.disarm(subscriptions);
}

/** Sends one batch of a subscription; false when it has none. */
async function sendNext(
  stream: SseStream,
  subscription: Subscription,
  view: View,
): Promise<boolean> {
  const { feed, position } = subscription;
  const batch = feed.isBehind(position) ? await feed.after(position) : feed.latest(position);
  if (batch === undefined || stream.signal.aborted) return false;
  const end = batch.frames.findIndex(frame => frame.ends);
  const frames = end < 0 ? batch.frames : batch.frames.slice(0, end + 1);
  subscription.position = frames.at(-1)?.seq ?? batch.last;
  subscription.ended = end >= 0;
  const first = frames[0]?.seq ?? batch.last + 1;
  if (first > position + 1) {
    const gap = { subject: subscription.subject, after: position, next: first };
    await stream.send(gapFrame(gap, subscription.kind));
  }
  if (frames.length === 0) return true;
  const isShared = view.shared && frames === batch.frames;
  const text = isShared
    ? (batch.memo ?? view.write(subscription, frames))
    : view.write(subscription, frames);
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

  arm(subscriptions: readonly Subscription[]): void {
    this.#rung = this.#signal.aborted;
    for (const subscription of subscriptions)
      if (!subscription.ended) subscription.feed.onWake(this.#ring);
  }

  disarm(subscriptions: readonly Subscription[]): void {
    for (const subscription of subscriptions) subscription.feed.offWake(this.#ring);
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
