import type { Seen } from './subscriber.ts';

/** One row of the log, as the database has it. */
export interface LoggedEvent {
  readonly seq: number;
  readonly type: string;
  readonly attempt: number | null;
  readonly data: Readonly<Record<string, unknown>>;
}

interface RunRow {
  readonly id: string;
  readonly status: string;
  readonly reason: string | null;
  readonly attempt: number;
  /** Of its subject. */
  readonly fence: number;
  readonly insertions: number;
  /** A Unix time in milliseconds; null while it is at work. */
  readonly finishedAtMs: number | null;
}

export interface JudgedRun {
  readonly row: RunRow;
  readonly steps: number;
  readonly log: readonly LoggedEvent[];
  readonly seen: readonly Seen[];
  readonly pushes: PushesSeen;
}

interface PushesSeen {
  /** A caller asked for the push of the run, and got a promise of it. */
  readonly asked: boolean;
  /** The commits that the remote was given as the run's branch, one after the other. */
  readonly taken: readonly string[];
}
