import { setTimeout as delay } from 'node:timers/promises';
import type { SessionUsage } from '@holdfast/protocol';
import { HoldfastError } from '../kernel/index.ts';
import type { Lease } from '../platform/leases/index.ts';
import { createJournal, type Journal, type JournalLoss } from '../platform/log/index.ts';
import { type LifecycleDeps, moveSession } from './lifecycle.ts';
import type { Json } from './preview/session.ts';
import type { SessionInput } from './session.ts';
import * as store from './store.ts';
import { SessionTap } from './tap.ts';

/**
 * What this process keeps for a session that it holds, however it is connected: the lease, the
 * journal, the tap, and the one way to let go of it.
 *
 *   held ──release(input)──▶ journal flushed → row and log moved on, lease given up → released
 *
 * Letting go is tried again while the database is away, within bounds; the sweep finds what was
 * left behind then. Whatever happens, the connection itself never waits for any of this.
 */
export const FLUSH_ON_RELEASE_MS = 5_000;
const RELEASE_ATTEMPTS = 6;
const RELEASE_DELAY_MS = 250;

export interface HolderOptions {
  readonly lease: Lease;
  /** Usage so far, when the session was held elsewhere before. */
  readonly usage?: SessionUsage;
  /** The lease is gone, or the session was erased: stop at once. */
  readonly onLost: (loss: JournalLoss) => void;
  readonly onCreated?: () => void;
  readonly onConfiguration?: (session: Json) => void;
}

export interface Holder {
  readonly id: string;
  readonly lease: Lease;
  readonly journal: Journal;
  readonly tap: SessionTap;
  /** Moves the session on and gives up the lease. Never rejects; called once. */
  release(
    input: Exclude<SessionInput, { type: 'connect' }>,
    closeCode: number | null,
  ): Promise<void>;
  /** Gives up the lease of a call that goes on without us. */
  handOver(): Promise<void>;
}

export function createHolder(deps: LifecycleDeps, options: HolderOptions): Holder {
  const { lease } = options;
  const { database, log, leases, telemetry } = deps;
  const id = lease.subject;
  const actor = `replica:${leases.replica}`;
  const note = (facts: store.UpstreamFacts) => {
    store.setUpstream(database.db, id, facts).catch((error: unknown) => {
      telemetry.log.warn('session.facts_lost', { session_id: id, error });
    });
  };
  const { fence } = lease;
  const { onLost } = options;
  const journal = createJournal({ log, subject: id, actor, fence, telemetry, onLost });
  const tap = new SessionTap(
    {
      record: event => void journal.push(event),
      onCreated: session => {
        note({
          upstreamSessionId: session.id,
          upstreamExpiresAtS: session.expiresAtS,
          ...(session.voice !== null && { voice: session.voice }),
        });
        options.onCreated?.();
      },
      onVoice: voice => note({ voice }),
      ...(options.onConfiguration && { onConfiguration: options.onConfiguration }),
    },
    options.usage,
  );
  return {
    id,
    lease,
    journal,
    tap,
    async release(input, closeCode) {
      await journal.flush(FLUSH_ON_RELEASE_MS);
      journal.close();
      const move = async () => {
        await store.writeLive(database.db, leases.replica, [{ id, idleMs: 0, usage: tap.usage }]);
        await moveSession(deps, id, input, { actor, closeCode, lease });
      };
      await persist(deps, id, move);
    },
    async handOver() {
      await journal.flush(FLUSH_ON_RELEASE_MS);
      journal.close();
      await persist(deps, id, async () => {
        await store.writeLive(database.db, leases.replica, [{ id, idleMs: 0, usage: tap.usage }]);
        await store.orphan(database.db, id, leases.replica);
        await leases.release(database.db, lease);
      });
    },
  };
}

async function persist(deps: LifecycleDeps, id: string, work: () => Promise<void>): Promise<void> {
  const { log } = deps.telemetry;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const lost = error instanceof HoldfastError && ['conflict', 'gone'].includes(error.code);
      if (lost) return log.info('session.lease_lost', { session_id: id });
      if (attempt === RELEASE_ATTEMPTS) {
        return log.error('session.release_failed', { session_id: id, error });
      }
    }
    await delay(RELEASE_DELAY_MS * 2 ** attempt, undefined, { ref: false });
  }
}
