import type { Executor, Trx } from '../platform/database/index.ts';

/** What this feature needs of recordings; `recordings/` provides it. */
export interface SessionRecordings {
  /** Complete recordings of each session that has any. */
  totals(
    executor: Executor,
    sessionIds: readonly string[],
  ): Promise<ReadonlyMap<string, { readonly count: number; readonly durationS: number }>>;
  /** Marks everything of a session for deletion. */
  eraseSession(trx: Trx, sessionId: string): Promise<void>;
  /** Deletes the blobs that are marked, some at a time. */
  purge(): Promise<unknown>;
}
