/**
 * The journal: appends events for a caller that must not wait, such as the voice relay.
 *
 *   idle → waiting (flushMs) → appending → idle
 *                  ↑               ↓ failed: the same batch, the same append id, later
 *                  └──── backing off
 *   any → lost (stale fence, erased) or closed: takes nothing any more
 *
 * Lifecycle: `push` is synchronous and never throws; the first event starts a timer, and what has
 * gathered when it fires is one append. `flush` appends at once and answers whether everything is
 * in the log. `close` gives up what is left; flush first.
 *
 * Invariants: one append at a time, in order, each with an append id that it keeps through every
 * retry, so an outage of the database neither doubles nor reorders events. Memory is bounded: when
 * it is full the newest events are dropped and counted, and the log records the gap. Events wait at
 * most `JOURNAL_FLUSH_MAX_MS` before their append begins: the stated bound on what a killed process
 * loses while the database is well.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { type Clock, newUuidV7, systemClock, toHoldfastError } from '../../kernel/index.ts';
import { SqlError } from '../database/index.ts';
import type { Telemetry } from '../telemetry/index.ts';
import { checkEvent } from './check-event.ts';
import { type BufferedEvent, JournalBuffer } from './journal-buffer.ts';
import { type DropReason, type JournalMetrics, journalMetrics } from './journal-metrics.ts';
import type { Log, NewEvent } from './log.ts';

const JOURNAL_FLUSH_MS = 200;
export const JOURNAL_FLUSH_MAX_MS = 250;
const JOURNAL_MAX_EVENTS = 2_000;
const JOURNAL_MAX_BYTES = 1024 * 1024;
const RETRY_DELAY_MIN_MS = 100;
const RETRY_DELAY_MAX_MS = 5_000;
/** While a `flush` waits. */
const FLUSH_RETRY_DELAY_MAX_MS = 250;

/** `fence`: another driver has the lease; `erased`: the log is gone. */
export type JournalLoss = 'fence' | 'erased';

export interface JournalOptions {
  readonly log: Pick<Log, 'appendNow'>;
  readonly subject: string;
  readonly actor: string;
  /** The lease's fencing token. */
  readonly fence: number;
  readonly attempt?: number;
  /** Of all its events. */
  readonly traceId?: string | undefined;
  /** How long events gather; default `JOURNAL_FLUSH_MS`, at most `JOURNAL_FLUSH_MAX_MS`. */
  readonly flushMs?: number;
  /** Default `JOURNAL_MAX_EVENTS`. */
  readonly maxEvents?: number;
  /** Default `JOURNAL_MAX_BYTES`. */
  readonly maxBytes?: number;
  /** Called once, when the log will refuse every append of this driver. */
  readonly onLost?: (loss: JournalLoss) => void;
  readonly clock?: Clock;
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
}

export interface Journal {
  /** False when the event was dropped: not in the catalogue, no room, lost or closed. */
  push(event: NewEvent): boolean;
  /** Events that are not known to be in the log. */
  readonly pending: number;
  /** Appends everything now; true once it is in the log, false when lost or out of time. */
  flush(timeoutMs: number): Promise<boolean>;
  /** Drops what is left and ends all timers. An append under way may still commit. */
  close(): void;
}

interface Batch {
  readonly appendId: string;
  readonly entries: readonly BufferedEvent[];
}

export function createJournal(options: JournalOptions): Journal {
  return new BufferedJournal(options);
}

class BufferedJournal implements Journal {
  readonly #options: JournalOptions;
  readonly #clock: Clock;
  readonly #flushMs: number;
  readonly #buffer: JournalBuffer;
  readonly #metrics: JournalMetrics | undefined;
  readonly #outside = AsyncLocalStorage.snapshot();
  /** The age of the oldest event that waits, in seconds. */
  readonly #lag = () => {
    const oldestAtMs = this.#batch?.entries[0]?.atMs ?? this.#buffer.oldestAtMs;
    return oldestAtMs === undefined ? 0 : (this.#clock.monotonicMs() - oldestAtMs) / 1_000;
  };
  readonly #settled = new Set<() => void>();
  #state: 'open' | 'lost' | 'closed' = 'open';
  #batch: Batch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #appending = false;
  #failures = 0;

  constructor(options: JournalOptions) {
    this.#flushMs = options.flushMs ?? JOURNAL_FLUSH_MS;
    if (!(this.#flushMs >= 0 && this.#flushMs <= JOURNAL_FLUSH_MAX_MS)) {
      throw new RangeError(`flushMs must be 0 to ${JOURNAL_FLUSH_MAX_MS}.`);
    }
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#buffer = new JournalBuffer(
      options.maxEvents ?? JOURNAL_MAX_EVENTS,
      options.maxBytes ?? JOURNAL_MAX_BYTES,
    );
    this.#metrics = options.telemetry && journalMetrics(options.telemetry.meter);
    this.#metrics?.lags.add(this.#lag);
  }

  get pending(): number {
    return this.#buffer.length + (this.#batch?.entries.length ?? 0);
  }

  push(event: NewEvent): boolean {
    if (this.#state !== 'open') {
      this.#count(1, this.#state === 'lost' ? 'lost' : 'closed');
      return false;
    }
    try {
      const atMs = this.#clock.monotonicMs();
      const kept = this.#buffer.push({ event: checkEvent(event), atMs });
      if (!kept) this.#count(1, 'overflow');
      return kept;
    } catch (error) {
      this.#refuse(1, error);
      return false;
    } finally {
      // A timer that is set stays: pushes must not put off an append, nor a retry.
      const overdue = this.#buffer.full && this.#failures === 0;
      if (this.#timer === undefined || overdue) this.#schedule();
    }
  }

  async flush(timeoutMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#outside(() => setTimeout(resolve, timeoutMs));
    this.#settled.add(resolve);
    this.#schedule();
    try {
      if (!this.#idle) await promise;
      return this.#state === 'open' && this.#idle;
    } finally {
      clearTimeout(timer);
      this.#settled.delete(resolve);
    }
  }

  close(): void {
    if (this.#state === 'open') this.#end('closed');
    this.#metrics?.lags.delete(this.#lag);
  }

  get #idle(): boolean {
    return this.#state !== 'open' || (this.#batch === undefined && this.#buffer.empty);
  }

  /** Sets the timer for the next append as things stand now. */
  #schedule(): void {
    if (this.#appending || this.#state !== 'open') return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#idle) {
      for (const resolve of this.#settled) resolve();
      return;
    }
    this.#outside(() => {
      this.#timer = setTimeout(() => this.#append(), this.#delayMs());
      this.#timer.unref();
    });
  }

  #delayMs(): number {
    const flushing = this.#settled.size > 0;
    if (this.#failures > 0) {
      const mostMs = flushing ? FLUSH_RETRY_DELAY_MAX_MS : RETRY_DELAY_MAX_MS;
      const delayMs = Math.min(RETRY_DELAY_MIN_MS * 2 ** (this.#failures - 1), mostMs);
      return delayMs * (0.5 + Math.random() / 2);
    }
    if (flushing || this.#buffer.full) return 0;
    const oldestAtMs = this.#buffer.oldestAtMs ?? this.#clock.monotonicMs();
    return Math.max(0, oldestAtMs + this.#flushMs - this.#clock.monotonicMs());
  }

  async #append(): Promise<void> {
    this.#timer = undefined;
    this.#batch ??= {
      appendId: newUuidV7(),
      entries: this.#buffer.take(this.#clock.monotonicMs()),
    };
    this.#appending = true;
    try {
      await this.#options.log.appendNow({
        subject: this.#options.subject,
        actor: this.#options.actor,
        fence: this.#options.fence,
        attempt: this.#options.attempt,
        traceId: this.#options.traceId,
        appendId: this.#batch.appendId,
        events: this.#batch.entries.map(entry => entry.event),
      });
      if (this.#failures > 0) this.#log('info', 'journal.recovered');
      this.#failures = 0;
      this.#batch = undefined;
    } catch (error) {
      this.#onFailed(error);
    } finally {
      this.#appending = false;
      this.#schedule();
    }
  }

  #onFailed(error: unknown): void {
    const verdict = judge(error);
    if (verdict === 'retry') {
      if (this.#failures === 0) this.#log('warn', 'journal.delayed', { error });
      this.#failures += 1;
    } else if (verdict === 'refused') {
      const entries = this.#batch?.entries ?? [];
      this.#batch = undefined;
      this.#failures = 0;
      // A refused marker must not make the next one.
      this.#refuse(entries.filter(({ event }) => event.type !== 'journal.dropped').length, error);
    } else if (this.#state === 'open') {
      this.#end('lost');
      this.#log('warn', 'journal.lost', { reason: verdict });
      this.#options.onLost?.(verdict);
    }
  }

  /** Events that the log will never accept; the log records them as a gap. */
  #refuse(count: number, error: unknown): void {
    this.#buffer.lose(count);
    this.#count(count, 'invalid');
    this.#log('error', 'journal.refused', { count, error });
  }

  #end(state: 'lost' | 'closed'): void {
    if (this.pending > 0) this.#count(this.pending, state);
    this.#state = state;
    clearTimeout(this.#timer);
    this.#buffer.clear();
    this.#batch = undefined;
    for (const resolve of this.#settled) resolve();
  }

  #count(events: number, reason: DropReason): void {
    this.#metrics?.dropped.add(events, { reason });
  }

  #log(
    level: 'info' | 'warn' | 'error',
    event: string,
    fields: Record<string, unknown> = {},
  ): void {
    const { telemetry, subject } = this.#options;
    telemetry?.log[level](event, { ...fields, subject, pending: this.pending });
  }
}

/**
 * What a failed append means. Only what can never succeed gives up: the log's own refusals, and
 * data that SQL cannot store (SQLSTATE classes 22 and 23).
 */
function judge(error: unknown): JournalLoss | 'refused' | 'retry' {
  if (error instanceof SqlError) return /^2[23]/.test(error.code) ? 'refused' : 'retry';
  switch (toHoldfastError(error).code) {
    case 'conflict':
      return 'fence';
    case 'gone':
    case 'not_found':
      return 'erased';
    case 'invalid_request':
    case 'payload_too_large':
      return 'refused';
    default:
      return 'retry';
  }
}
