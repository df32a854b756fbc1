/**
 * Waits for the moments at which faults of an open session strike: a time, or a number of frames.
 */
import type { Cancel, Clock } from '../clock.ts';
import type { SessionRecord } from '../inspect/record.ts';
import type { Trigger } from './fault.ts';

interface Pending {
  trigger: Trigger;
  action: () => void;
}

export class Triggers {
  readonly #clock: Clock;
  readonly #record: SessionRecord;
  readonly #timers = new Set<Cancel>();
  #pending: Pending[] = [];

  constructor(clock: Clock, record: SessionRecord) {
    this.#clock = clock;
    this.#record = record;
  }

  when(trigger: Trigger, action: () => void): void {
    const { after_ms, after_received_frames, after_sent_frames } = trigger;
    const counted = after_received_frames !== undefined || after_sent_frames !== undefined;
    if (!counted) {
      this.after(after_ms ?? 0, action);
      return;
    }
    const entry = { trigger, action };
    this.#pending.push(entry);
    if (after_ms !== undefined) this.after(after_ms, () => this.#strike(entry));
    this.check();
  }

  after(delayMs: number, action: () => void): void {
    const cancel = this.#clock.after(delayMs, () => {
      this.#timers.delete(cancel);
      action();
    });
    this.#timers.add(cancel);
  }

  /** To be called when a frame came or went. */
  check(): void {
    if (this.#pending.length === 0) return;
    const { received, sent } = this.#record;
    for (const entry of [...this.#pending]) {
      const { after_received_frames = Infinity, after_sent_frames = Infinity } = entry.trigger;
      if (received.frames >= after_received_frames || sent.frames >= after_sent_frames) {
        this.#strike(entry);
      }
    }
  }

  close(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#pending = [];
  }

  #strike(entry: Pending): void {
    if (!this.#pending.includes(entry)) return;
    this.#pending = this.#pending.filter(other => other !== entry);
    entry.action();
  }
}
