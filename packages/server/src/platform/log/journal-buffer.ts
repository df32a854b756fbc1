import { checkEvent } from './check-event.ts';
import { APPEND_MAX_EVENTS, type CheckedEvent } from './log.ts';

/** Events of one append; held to this so that an append stays a short transaction. */
const BATCH_MAX_BYTES = 512 * 1024;
/** What an event costs in memory besides its data, roughly. */
const EVENT_OVERHEAD_BYTES = 256;

export interface BufferedEvent {
  readonly event: CheckedEvent;
  /** When it was pushed, on the monotonic clock. */
  readonly atMs: number;
}

/**
 * The events that wait to be appended, oldest first, bounded in number and bytes. When it is full
 * the newest events are dropped, so that there is one gap, at one place. The gap becomes a
 * `journal.dropped` event where it was: before the next event that finds room, or at the end.
 */
export class JournalBuffer {
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  #events: BufferedEvent[] = [];
  #sizeBytes = 0;
  #gap = 0;

  constructor(maxEvents: number, maxBytes: number) {
    this.#maxEvents = maxEvents;
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#events.length;
  }

  /** False while `take` would answer events, or the event of a gap. */
  get empty(): boolean {
    return this.#events.length === 0 && this.#gap === 0;
  }

  get oldestAtMs(): number | undefined {
    return this.#events[0]?.atMs;
  }

  /** Whether a whole append's worth waits. */
  get full(): boolean {
    return this.#events.length >= APPEND_MAX_EVENTS || this.#sizeBytes >= BATCH_MAX_BYTES;
  }

  /** False when there is no room: the event is dropped. */
  push(entry: BufferedEvent): boolean {
    const costBytes = entry.event.sizeBytes + EVENT_OVERHEAD_BYTES;
    const marker = this.#gap > 0 ? 1 : 0;
    const events = this.#events.length + marker + 1;
    const sizeBytes = this.#sizeBytes + marker * EVENT_OVERHEAD_BYTES + costBytes;
    if (events > this.#maxEvents || sizeBytes > this.#maxBytes) {
      this.lose(1);
      return false;
    }
    this.#markGap(entry.atMs);
    this.#add(entry);
    return true;
  }

  /** Counts events that will not be appended. */
  lose(count: number): void {
    this.#gap += count;
  }

  /** Removes and answers the next append's events; empty when there is nothing. */
  take(nowMs: number): BufferedEvent[] {
    if (this.#events.length === 0) this.#markGap(nowMs);
    let count = 0;
    let sizeBytes = 0;
    for (const entry of this.#events) {
      const costBytes = entry.event.sizeBytes + EVENT_OVERHEAD_BYTES;
      if (count === APPEND_MAX_EVENTS || (count > 0 && sizeBytes + costBytes > BATCH_MAX_BYTES)) {
        break;
      }
      count += 1;
      sizeBytes += costBytes;
    }
    this.#sizeBytes -= sizeBytes;
    return this.#events.splice(0, count);
  }

  clear(): void {
    this.#events = [];
    this.#sizeBytes = 0;
    this.#gap = 0;
  }

  #markGap(atMs: number): void {
    if (this.#gap === 0) return;
    const event = checkEvent({ type: 'journal.dropped', data: { count: this.#gap } });
    this.#add({ event: { ...event, sizeBytes: 0 }, atMs });
    this.#gap = 0;
  }

  #add(entry: BufferedEvent): void {
    this.#events.push(entry);
    this.#sizeBytes += entry.event.sizeBytes + EVENT_OVERHEAD_BYTES;
  }
}
