import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, newUuidV7 } from '../kernel/index.ts';
import type { Database, Trx } from '../platform/database/index.ts';
import type { Lease } from '../platform/leases/index.ts';
import type { Log, NewEvent } from '../platform/log/index.ts';

/** Shorter than a lease: after this time the lease is lost anyway. */
export const PERSIST_MS = 10_000;
const RETRY_BASE_MS = 100;
const RETRY_MAX_MS = 2_000;

export interface FencedDeps {
  readonly database: Database;
  readonly log: Pick<Log, 'append' | 'ring'>;
  /** How long a write is tried again while the database is away. Default `PERSIST_MS`. */
  readonly persistMs?: number | undefined;
}

/** Who writes: the holder of a lease, in one of its attempts where the kind counts them. */
export interface Holding {
  readonly lease: Lease;
  readonly attempt?: number;
}

/**
 * One write of the process that holds a subject: `work` writes its rows and answers what happened,
 * which is appended with the lease's fence in the same transaction. Throws `conflict` when the
 * lease has passed to another holder.
 */
export async function fencedWrite(
  deps: FencedDeps,
  holding: Holding,
  work: (trx: Trx) => Promise<readonly NewEvent[]>,
): Promise<void> {
  const { subject } = holding.lease;
  await persist(deps, subject, appendId =>
    deps.database.transaction(async trx => {
      const events = await work(trx);
      await appendFenced(deps, trx, holding, { appendId, events });
    }),
  );
}

export async function appendFenced(
  deps: Pick<FencedDeps, 'log'>,
  trx: Trx,
  { lease, attempt }: Holding,
  { appendId, events }: { readonly appendId: string; readonly events: readonly NewEvent[] },
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

/**
 * Tries `work` again while the database is away, each time with the same append id, and rings for
 * the subject once it is done.
 */
export async function persist(
  deps: Pick<FencedDeps, 'log' | 'persistMs'>,
  subject: string,
  work: (appendId: string) => Promise<void>,
): Promise<void> {
  const appendId = newUuidV7();
  const until = performance.now() + (deps.persistMs ?? PERSIST_MS);
  for (let attempt = 0; ; attempt += 1) {
    try {
      await work(appendId);
      deps.log.ring(subject);
      return;
    } catch (error) {
      const away = error instanceof HoldfastError && error.code === 'unavailable';
      const pauseMs = Math.min(RETRY_BASE_MS * 2 ** attempt, RETRY_MAX_MS);
      if (!away || performance.now() + pauseMs > until) throw error;
      await delay(pauseMs, undefined, { ref: false });
    }
  }
}
