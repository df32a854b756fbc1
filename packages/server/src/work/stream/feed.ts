import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEnvelope } from '@holdfast/protocol';
import { HoldfastError } from '../../kernel/index.ts';
import type { Database } from '../../platform/database/index.ts';
import { type Log, READ_MAX_EVENTS, type ReadRequest } from '../../platform/log/index.ts';
import type { Telemetry } from '../../platform/telemetry/index.ts';
import type { Kind } from '../kinds.ts';
import { type Frame, frameOf } from './frames.ts';

/**
 * Feeds: one log, read once for all streams of this process that follow it with the same rights.
 *
 *   first joins ──▶ follows the log from where it stands ──last leaves──▶ gone
 *                        └─ the log cannot be followed, was erased ─▶ over
 *
 * A feed keeps a bounded tail of formatted events. A reader holds nothing but its position: at the
 * tail it takes events from here, behind it it reads pages of the log by itself, so that neither a
 * slow reader nor a late one costs the others anything. Readers are woken at once after silence,
 * and while events come fast, so seldom that many readers share each other's work: up to
 * `COALESCE_MAX_MS` with many of them.
 */
export const TAIL_MAX_EVENTS = 512;
export const TAIL_MAX_BYTES = 1024 * 1024;
const COALESCE_MAX_MS = 50;
const NEAR_MAX_EVENTS = 64;
const COALESCE_MS_PER_READER = 0.1;

export interface FeedDeps {
  readonly database: Database;
  readonly log: Log;
  readonly telemetry: Pick<Telemetry, 'log'>;
}

export interface FeedKey {
  readonly subject: string;
  readonly kind: Kind;
  readonly includePrivate: boolean;
}

/** Events in order, and where they end. */
export interface Batch {
  readonly frames: readonly Frame[];
  readonly last: number;
  /** Something made of the frames once for all who take the same batch. */
  memo: unknown;
}

export class Feeds {
  readonly #deps: FeedDeps;
  readonly #feeds = new Map<string, Feed>();
  // A feed outlives the request that began it and must not inherit its context.
  readonly #outside = AsyncLocalStorage.snapshot();

  constructor(deps: FeedDeps) {
    this.#deps = deps;
  }

  /**
   * Joins before anything is read. `head` is the log's last number, read just now or earlier,
   * `position` the last that the reader knows.
   */
  join(key: FeedKey, head: number, position: number): Feed {
    const name = `${key.subject}:${key.includePrivate}`;
    let feed = this.#feeds.get(name);
    if (feed === undefined || feed.over) {
      // A short log is read once, for the tail, and not again by the reader.
      const start = head - position <= NEAR_MAX_EVENTS ? position : head;
      const made = this.#outside(() => new Feed(this.#deps, key, start));
      made.onEmpty = () => {
        if (this.#feeds.get(name) === made) this.#feeds.delete(name);
      };
      this.#feeds.set(name, made);
      feed = made;
    }
    feed.enter();
    return feed;
  }

  get size(): number {
    return this.#feeds.size;
  }
}

export class Feed {
  readonly #deps: FeedDeps;
  readonly #endings: Kind['endings'];
  readonly #request: Omit<ReadRequest, 'after'>;
  readonly #stop = new AbortController();
  readonly #tail: Frame[] = [];
  readonly #wakers = new Set<() => void>();
  /** Batches of the present tail, by the position they go on from. */
  readonly #batches = new Map<number, Batch>();
  #tailBytes = 0;
  /** The tail has every event after this one. */
  #base: number;
  #last: number;
  #readers = 0;
  #wakeAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #over = false;
  onEmpty = () => {};

  /** Follows the log from after `start`. */
  constructor(deps: FeedDeps, key: FeedKey, start: number) {
    this.#deps = deps;
    const { subject, includePrivate, kind } = key;
    this.#endings = kind.endings;
    this.#request = { subject, includePrivate, limit: READ_MAX_EVENTS };
    this.#base = start;
    this.#last = start;
    void this.#follow();
  }

  /** Nothing will come from this feed any more. */
  get over(): boolean {
    return this.#over;
  }

  enter(): void {
    this.#readers += 1;
  }

  leave(): void {
    this.#readers -= 1;
    if (this.#readers > 0) return;
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.onEmpty();
  }

  /** What there is after `position`, from the tail or the log; undefined: nothing yet. */
  async after(position: number): Promise<Batch | undefined> {
    return position < this.#base ? this.#page(position) : this.latest(position);
  }

  /** What the tail has after `position`; undefined when that is nothing. */
  latest(position: number): Batch | undefined {
    if (position >= this.#last || position < this.#base) return undefined;
    const known = this.#batches.get(position);
    if (known !== undefined) return known;
    const frames = this.#tail.filter(frame => frame.seq > position);
    const batch: Batch = { frames, last: this.#last, memo: undefined };
    this.#batches.set(position, batch);
    return batch;
  }

  /** Whether the tail does not reach back to `position`. */
  isBehind(position: number): boolean {
    return position < this.#base;
  }

  /** Calls `waker` once, at the next wake-up. */
  onWake(waker: () => void): void {
    this.#wakers.add(waker);
  }

  offWake(waker: () => void): void {
    this.#wakers.delete(waker);
  }

  #framesOf(events: readonly EventEnvelope[]): Frame[] {
    return events.map(event => frameOf(event, this.#endings));
  }

  async #page(after: number): Promise<Batch | undefined> {
    const { database, log } = this.#deps;
    const request = { ...this.#request, after };
    const frames = this.#framesOf(await log.read(database.db, request));
    const last = frames.at(-1)?.seq;
    if (last !== undefined) return { frames, last, memo: undefined };
    // The events existed and are no longer kept: the reader may skip as far as `last`.
    return { frames, last: this.#base, memo: undefined };
  }

  async #follow(): Promise<void> {
    const request = { ...this.#request, after: this.#last };
    try {
      for await (const events of this.#deps.log.follow(request, this.#stop.signal)) {
        this.#take(this.#framesOf(events));
      }
    } catch (error) {
      const known = error instanceof HoldfastError && error.code === 'unavailable';
      this.#deps.telemetry.log[known ? 'info' : 'warn']('stream.feed_failed', { error });
    }
    this.#over = true;
    this.#wakeAll();
  }

  #take(frames: readonly Frame[]): void {
    // Each reader finds out by itself which events are no longer kept.
    if (this.#tail.length === 0) this.#base = frames[0]!.seq - 1;
    for (const frame of frames) {
      this.#tail.push(frame);
      this.#tailBytes += frame.body.length;
      this.#last = frame.seq;
    }
    let dropped = 0;
    while (
      this.#tail.length - dropped > 1 &&
      (this.#tail.length - dropped > TAIL_MAX_EVENTS || this.#tailBytes > TAIL_MAX_BYTES)
    ) {
      const oldest = this.#tail[dropped]!;
      this.#base = oldest.seq;
      this.#tailBytes -= oldest.body.length;
      dropped += 1;
    }
    this.#tail.splice(0, dropped);
    this.#batches.clear();
    if (this.#timer !== undefined) return;
    const pauseMs = this.#wakeAt - performance.now();
    if (pauseMs <= 1) this.#wakeAll();
    else this.#timer = setTimeout(() => this.#wakeAll(), pauseMs);
  }

  #wakeAll(): void {
    this.#timer = undefined;
    const coalesceMs = Math.min(COALESCE_MAX_MS, this.#readers * COALESCE_MS_PER_READER);
    this.#wakeAt = performance.now() + coalesceMs;
    const wakers = [...this.#wakers];
    this.#wakers.clear();
    for (const wake of wakers) wake();
  }
}
