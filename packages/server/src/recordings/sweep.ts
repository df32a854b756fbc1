import type { Database } from '../platform/database/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import { Sweep } from '../work/index.ts';
import { PURGE_BATCH } from './removal.ts';
import type { Recordings } from './service.ts';
import type { Spool } from './spool.ts';
import * as store from './store.ts';
import { BLOB_WRITE_TIMEOUT_MS } from './uploads.ts';

/** A pending row older than this belongs to no upload that still runs. */
const PENDING_MAX_S = (2 * BLOB_WRITE_TIMEOUT_MS) / 1000;
/** Longer than a row waits for its spool file. */
const SPOOL_MAX_AGE_MS = 25 * 3600_000;

/** Purges in one sweep; what is left then has to wait for the next. */
const PURGES_MAX = 20;

export interface SweepDeps {
  readonly database: Database;
  readonly recordings: Recordings;
  readonly spool: Spool;
  readonly telemetry: Telemetry;
  readonly intervalMs: number;
  /** Complete recordings older than this are deleted; undefined: never. */
  readonly retentionDays: number | undefined;
}

/**
 * Upkeep, at start and every `intervalMs`: finishes what waited for room, gives up what a crash
 * left pending, removes what is marked or outdated. Every step may run on any number of replicas
 * at once, and again after a crash in the middle. It runs in every process that takes uploads,
 * because only that process can read its own spool.
 */
export function createRecordingSweep(deps: SweepDeps): Sweep {
  return new Sweep({
    name: 'recording sweep',
    intervalMs: deps.intervalMs,
    atStart: true,
    async run() {
      const { database, recordings } = deps;
      await recordings.uploads.retryKept();
      await store.abandonOld(database.db, PENDING_MAX_S);
      if (deps.retentionDays !== undefined) await recordings.retire(deps.retentionDays);
      for (let n = 0; n < PURGES_MAX; n++) {
        if ((await recordings.purge()) < PURGE_BATCH) break;
      }
      for (const { id, changedMs } of await deps.spool.list()) {
        const ageMs = Date.now() - changedMs;
        if (ageMs < PENDING_MAX_S * 1000) continue;
        // Left from a crash, or another process has erased what it was for.
        const isNeeded = (await store.find(database.db, id)) !== undefined;
        if (!isNeeded || ageMs > SPOOL_MAX_AGE_MS) await deps.spool.remove(id);
      }
    },
    onFailure: error => deps.telemetry.log.error('recording.sweep_failed', { error }),
  });
}
