import type { EventEnvelope } from '@holdfast/protocol';

/** Events that are no longer kept: what the reader missed must be read from the snapshot. */
export interface StreamGap {
  subject: string;
  /** The last event that was delivered; 0 where none was. */
  after: number;
  /** Where the run itself can be read; null where the server named none. */
  snapshotUrl: string | null;
}

export type Arrival =
  | { kind: 'next'; event: EventEnvelope }
  /** Known already. */
  | { kind: 'old' }
  /** Something before it is missing: the line must be opened again from where the reader is. */
  | { kind: 'hole' };

/**
 * How far each subject was delivered. The server sends at least once and in order; here that
 * becomes exactly once: what is known is dropped, and a hole that was not announced is never
 * stepped over.
 */
export class Positions {
  private readonly after: Map<string, number>;
  /** Subjects whose next event may have any number, because the server announced a gap. */
  private readonly unsure = new Set<string>();

  constructor(start: Readonly<Record<string, number>>) {
    this.after = new Map(Object.entries(start));
  }

  get size(): number {
    return this.after.size;
  }

  /** `run_a:7,run_b:0`. */
  toString(): string {
    return [...this.after].map(([subject, seq]) => `${subject}:${seq}`).join(',');
  }

  of(subject: string): number {
    return this.after.get(subject) ?? 0;
  }

  take(event: EventEnvelope): Arrival {
    const known = this.after.get(event.subject);
    if (known === undefined || event.seq <= known) return { kind: 'old' };
    const unsure = this.unsure.delete(event.subject);
    if (event.seq !== known + 1 && !unsure) return { kind: 'hole' };
    this.after.set(event.subject, event.seq);
    return { kind: 'next', event };
  }

  /** From now on the next event of this subject may come from further on. */
  expectGap(subject: string): void {
    this.unsure.add(subject);
  }

  end(subject: string): void {
    this.after.delete(subject);
  }
}
