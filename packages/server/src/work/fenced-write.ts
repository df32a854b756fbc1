import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, newUuidV7 } from '../kernel/index.ts';
import type { Database, Trx } from '../platform/database/index.ts';
import type { Lease } from '../platform/leases/index.ts';
import type { AppendRequest, Log, NewEvent } from '../platform/log/index.ts';

/** Shorter than a lease: after this time the lease is lost anyway. */
const PERSIST_MS = 10_000;
const RETRY_BASE_MS = 100;
const RETRY_MAX_MS = 2_000;

interface FencedDeps {
  readonly database: Database;
  readonly log: Pick<Log, 'append' | 'ring'>;
  /** How long a write is tried again while the database is away. Default `PERSIST_MS`. */
  readonly persistMs?: number | undefined;
}

/** Who writes: the holder of a lease, in one of its attempts where the kind counts them. */
interface Holding {
  readonly lease: Lease;
  readonly attempt?: number;
}

/**
 * One write of the process that holds a subject: `work` writes its rows and answers what happened,
 * which is appended with the lease's fence in the same transaction. Throws `conflict` when the
 * lease has passed to another holder. Tried again while the database is away, each time with the
 * same append id, and the doorbell rings once it is done.
 *
 * `work` that finds its rows written, because the answer to an earlier try was lost, answers no
 * events: then nothing is appended and no fence is checked.
 */
export async function fencedWrite(
  deps: FencedDeps,
  holding: Holding,
  work: (trx: Trx) => Promise<readonly NewEvent[]>,
): Promise<void> {
  const appendId = newUuidV7();
  await persist(
    () =>
      deps.database.transaction(async trx => {
        const events = await work(trx);
        if (events.length > 0) await appendFenced(deps, trx, holding, { appendId, events });
      }),
    deps.persistMs,
  );
  deps.log.ring(holding.lease.subject);
}

/** Appends with the lease's fence: for a transaction that `fencedWrite` does not run. */
export async function appendFenced(
  deps: Pick<FencedDeps, 'log'>,
  trx: Trx,
  { lease, attempt }: Holding,
  { appendId, events }: Pick<AppendRequest, 'appendId' | 'events'>,
): Promise<void> {
  await deps.log.append(trx, {
    subject: lease.subject,
    actor: `replica:${lease.replica}`,
    appendId,
    events,
    fence: lease.fence,
    ...(attempt !== undefined && { attempt }),
  });
}

/** Does `work`, and again while the database is away; what it writes twice must do no harm. */
export async function persist(work: () => Promise<void>, persistMs = PERSIST_MS): Promise<void> {
  const until = performance.now() + persistMs;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const away = error instanceof HoldfastError && error.code === 'unavailable';
      const pauseMs = Math.min(RETRY_BASE_MS * 2 ** attempt, RETRY_MAX_MS);
      if (!away || performance.now() + pauseMs > until) throw error;
      await delay(pauseMs, undefined, { ref: false });
    }
  }
}
