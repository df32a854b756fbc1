/**
 * All sessions, open and recently ended, newest last. Ended ones keep their record, not their
 * audio.
 */
import type { FaultTarget } from '../faults/fault.ts';
import { MAX_ENDED_SESSIONS, MAX_OPEN_SESSIONS } from '../limits.ts';
import type { SessionRecord } from './record.ts';

interface Entry {
  record: SessionRecord;
  target: FaultTarget | undefined;
}

export class Registry {
  readonly #entries = new Map<string, Entry>();
  #open = 0;

  get full(): boolean {
    return this.#open >= MAX_OPEN_SESSIONS;
  }

  add(record: SessionRecord): void {
    this.#entries.set(record.options.id, { record, target: undefined });
    this.#open += 1;
  }

  /** Makes the open session reachable for faults. */
  connect(record: SessionRecord, target: FaultTarget): void {
    const entry = this.#entries.get(record.options.id);
    if (entry !== undefined) entry.target = target;
  }

  /** To be called once, when the session has ended. */
  ended(record: SessionRecord): void {
    const entry = this.#entries.get(record.options.id);
    if (entry === undefined) return;
    entry.target = undefined;
    this.#open -= 1;
    let surplus = this.#entries.size - this.#open - MAX_ENDED_SESSIONS;
    for (const [id, other] of this.#entries) {
      if (surplus <= 0) break;
      if (other.record.open) continue;
      this.#entries.delete(id);
      surplus -= 1;
    }
  }

  /** By session id or call id. */
  find(id: string): Entry | undefined {
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry;
    return [...this.#entries.values()].find(other => other.record.options.callId === id);
  }

  list(): SessionRecord[] {
    return [...this.#entries.values()].map(entry => entry.record);
  }

  forgetEnded(): void {
    for (const [id, entry] of this.#entries) if (!entry.record.open) this.#entries.delete(id);
  }
}
