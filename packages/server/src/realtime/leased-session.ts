import { HoldfastError, within } from '../kernel/index.ts';
import type { VoiceAccount, VoiceAccounts } from '../models/index.ts';
import type { Lease } from '../platform/leases/index.ts';
import {
  createJournal,
  type Journal,
  type JournalLoss,
  type NewEvent,
} from '../platform/log/index.ts';
import { type Trace, traceLog } from '../platform/telemetry/index.ts';
import { persist } from '../work/index.ts';
import { troubleIn } from './log-events.ts';
import type { Meter } from './meter.ts';
import { totalsOf } from './present.ts';
import type { Json } from './preview/session.ts';
import { isFinal, type SessionInput } from './session.ts';
import * as store from './store.ts';
import type { SessionRow } from './tables.ts';
import { SessionTap, type UpstreamSession } from './tap.ts';
import { type Close, type TransitionDeps, transition } from './transitions.ts';

/**
 * What this process keeps for a session that it holds, however it is connected: the lease, the
 * journal, the tap, and the one way to let go of it.
 *
 *   held ──release(input)──▶ journal flushed → row and log moved on, lease given up → released
 *
 * Letting go is tried again while the database is away, within bounds; the sweep finds what was
 * left behind then. The connection itself never waits for any of this.
 */
const FLUSH_ON_RELEASE_MS = 5_000;
const SETTLE_ON_RELEASE_MS = 5_000;

export interface LeasedSessionOptions {
  readonly lease: Lease;
  /** The session's span, which its holder ends. */
  readonly trace: Trace;
  /** As it was when this process took it, with what was used before. */
  readonly row: SessionRow;
  /** The lease is gone, or the session was erased: stop at once. */
  readonly onLost: (loss: JournalLoss) => void;
  readonly onCreated?: (upstream: UpstreamSession) => void;
  readonly onConfiguration?: (session: Json) => void;
  readonly onError?: (error: Json) => void;
  readonly onEvent?: (event: Json) => void;
  readonly onWords?: (text: string) => void;
  /** Its next response is more than a budget allows; what is under way may end. Called once. */
  readonly onOverBudget: (error: HoldfastError) => void;
  /** Whether the next response may be is known when the promise resolves. */
  readonly onReserving?: (reserving: Promise<void>) => void;
}

export interface LeasedSessionDeps extends TransitionDeps {
  readonly accounts: Pick<VoiceAccounts, 'hold'>;
}

export interface LeasedSession {
  readonly id: string;
  readonly lease: Lease;
  readonly journal: Journal;
  readonly tap: SessionTap;
  /**
   * Transitions the session and gives up the lease. Never rejects; called once. `handoverKey`: of
   * what is left for another process.
   */
  release(
    input: Exclude<SessionInput, { type: 'connect' }>,
    close: Close,
    handoverKey?: string,
  ): Promise<void>;
  /**
   * Gives up the lease of a call that goes on without us. False when a request has ended it and
   * this process has not read that order yet: then this process still has to hang the call up.
   */
  handOver(): Promise<boolean>;
  /** The lease is somebody else's: nothing more is written. */
  drop(): void;
}

export function createLeasedSession(
  deps: LeasedSessionDeps,
  options: LeasedSessionOptions,
): LeasedSession {
  const { lease, row, trace, onLost, onOverBudget } = options;
  const { database, log, leases, telemetry } = deps;
  const id = lease.subject;
  const actor = `replica:${leases.replica}`;
  const { fence } = lease;
  const { traceId } = trace;
  const journal = createJournal({ log, subject: id, actor, fence, traceId, telemetry, onLost });
  const account = deps.accounts.hold(moneyOf(row), lease, onOverBudget);
  const tap = createTap(deps, { id, journal, account }, options);
  const time = row.type === 'translation' ? countTime(tap.meter) : undefined;
  const letGo = async (work: () => Promise<void>) => {
    await journal.flush(FLUSH_ON_RELEASE_MS);
    journal.close();
    time?.count();
    time?.stop();
    // What is not written in time stays reserved, and counts in full.
    await within(account.close(), SETTLE_ON_RELEASE_MS, () => {});
    try {
      await persist(async () => {
        await store.writeActivity(database.db, leases.replica, [
          { id, idleMs: 0, totals: tap.meter.totals },
        ]);
        await work();
      });
    } catch (error) {
      const lost = error instanceof HoldfastError && ['conflict', 'gone'].includes(error.code);
      if (lost) telemetry.log.info('session.lease_lost', { session_id: id });
      else telemetry.log.error('session.release_failed', { session_id: id, error });
    }
  };
  return {
    id,
    lease,
    journal,
    tap,
    release(input, close, handoverKey) {
      tap.meter.end();
      trace.event(`session.${input.type}`, { reason: input.reason, close_code: close.code });
      return letGo(async () => {
        await transition(deps, id, input, { actor, close, lease, traceId, handoverKey });
      });
    },
    async handOver() {
      let goesOn = true;
      await letGo(async () => {
        const state = await store.orphan(database.db, id, leases.replica);
        if (state !== undefined) goesOn = !isFinal(state);
        await leases.release(database.db, lease);
      });
      return goesOn;
    },
    drop() {
      journal.close();
      time?.stop();
    },
  };
}

/** Lines about one session; a provider that fails without end is counted on. */
const TROUBLE_LINES_MAX = 100;

/** Tells operators what the provider reports as gone wrong. */
function troubleReport({ telemetry, metrics }: TransitionDeps, id: string, trace: Trace) {
  const log = traceLog(telemetry.log.child({ trace_id: trace.traceId }), trace);
  let left = TROUBLE_LINES_MAX;
  return (event: NewEvent): void => {
    const trouble = troubleIn(event);
    if (trouble === null) return;
    metrics.upstreamTroubles.add(1, { event: event.type });
    left -= 1;
    if (left < 0) return;
    log.warn('upstream.trouble', { session_id: id, log_event: event.type, ...trouble });
  };
}

/** How often the time of a session that is billed by time is counted. */
const TIME_INTERVAL_MS = 15_000;

/** Counts the time from now on. */
function countTime(meter: Meter): { count(): void; stop(): void } {
  let countedMs = performance.now();
  const count = () => {
    const nowMs = performance.now();
    meter.elapse((nowMs - countedMs) / 1000);
    countedMs = nowMs;
  };
  const timer = setInterval(count, TIME_INTERVAL_MS);
  timer.unref();
  return { count, stop: () => clearInterval(timer) };
}

/** Whose money a session costs. */
export function moneyOf({ id, project_id, created_by, model, type }: SessionRow) {
  return { id, projectId: project_id, owner: created_by, model, type };
}

/** What the tap learns goes to the journal, to the row, and to the session itself. */
function createTap(
  deps: TransitionDeps,
  session: { id: string; journal: Journal; account: VoiceAccount },
  options: LeasedSessionOptions,
): SessionTap {
  const { id, journal, account } = session;
  const note = (facts: store.UpstreamFacts) => {
    store.setUpstream(deps.database.db, id, facts).catch((error: unknown) => {
      deps.telemetry.log.warn('session.facts_lost', { session_id: id, error });
    });
  };
  const { onConfiguration, onError, onEvent, onWords, onReserving } = options;
  const report = troubleReport(deps, id, options.trace);
  return new SessionTap(
    {
      record: event => {
        journal.push(event);
        report(event);
      },
      onCreated: upstream => {
        note({
          upstreamSessionId: upstream.id,
          upstreamExpiresAtS: upstream.expiresAtS,
          ...(upstream.voice !== null && { voice: upstream.voice }),
        });
        options.onCreated?.(upstream);
      },
      onVoice: voice => note({ voice }),
      onUnread: () => deps.metrics.unread.add(1),
      ...(onConfiguration && { onConfiguration }),
      ...(onError && { onError }),
      ...(onEvent && { onEvent }),
      ...(onWords && { onWords }),
      ...(onReserving && { onReserving }),
    },
    account,
    totalsOf(options.row),
  );
}
