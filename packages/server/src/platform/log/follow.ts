/**
 * Following logs. All followers of a process share one registry, one subscription to the doorbell
 * and one poll.
 *
 * Lifecycle: the first follower subscribes to the doorbell and starts the poll, the last one to
 * leave ends both; without followers nothing runs. A follower registers before its first read,
 * so an event that commits in between is either read or makes the follower read again.
 *
 * Invariants: a wake-up carries nothing but "read again from where you are", kept as one flag. So a
 * slow consumer holds no events but the batch it was handed, wake-ups may be lost, merged or
 * doubled, and the poll (one SQL statement a second for all followed subjects) makes up for every
 * lost one. An outage of the database is waited out: the next poll that succeeds wakes the
 * followers that are behind.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Meter } from '@opentelemetry/api';
import { HoldfastError } from '../../kernel/index.ts';
import type { Doorbell } from '../doorbell/index.ts';
import { FOLLOWERS_MAX, POLL_INTERVAL_MS } from './log.ts';

/** Where a followed log stands, as one row of the poll. */
export interface LogHead {
  readonly subject: string;
  readonly lastSeq: number;
  readonly erased: boolean;
}

export interface FollowersOptions {
  readonly doorbell: Doorbell;
  /** The heads of these logs, in one statement; absent subjects are left out. */
  heads(subjects: readonly string[]): Promise<LogHead[]>;
  /** Called at the first failure of an outage and at the first success after it. */
  onPollState?(failure: unknown | undefined): void;
  readonly meter?: Meter;
}

/** One reader's place in one log. */
export class Follower {
  readonly subject: string;
  /** The last `seq` handed to the consumer. */
  position: number;
  /** Set when the log was erased: there will be no further events. */
  erased = false;
  #woken = true;
  #resolve: (() => void) | undefined;

  constructor(subject: string, position: number) {
    this.subject = subject;
    this.position = position;
  }

  wake(): void {
    this.#woken = true;
    this.#resolve?.();
    this.#resolve = undefined;
  }

  /** Resolves at once when woken since the last call, else at the next wake-up. */
  async woken(): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>(resolve => {
        this.#resolve = resolve;
      });
    }
    this.#woken = false;
  }
}

export class Followers {
  readonly #options: FollowersOptions;
  readonly #bySubject = new Map<string, Set<Follower>>();
  // The poll must not inherit the async context (a transaction, a request) of its first follower.
  readonly #outside = AsyncLocalStorage.snapshot();
  #count = 0;
  #unsubscribe: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failing = false;

  constructor(options: FollowersOptions) {
    this.#options = options;
    options.meter
      ?.createObservableGauge('holdfast_log_followers')
      .addCallback(result => result.observe(this.#count));
  }

  join(subject: string, position: number): Follower {
    if (this.#count >= FOLLOWERS_MAX) {
      throw new HoldfastError('unavailable', 'Too many readers follow logs here.', {
        retryAfterS: 1,
      });
    }
    const follower = new Follower(subject, position);
    const others = this.#bySubject.get(subject);
    if (others === undefined) this.#bySubject.set(subject, new Set([follower]));
    else others.add(follower);
    this.#count += 1;
    if (this.#count === 1) this.#outside(() => this.#begin());
    return follower;
  }

  leave(follower: Follower): void {
    const others = this.#bySubject.get(follower.subject);
    if (!others?.delete(follower)) return;
    if (others.size === 0) this.#bySubject.delete(follower.subject);
    this.#count -= 1;
    if (this.#count > 0) return;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #begin(): void {
    this.#unsubscribe = this.#options.doorbell.onRing(subjects => {
      for (const subject of subjects) {
        for (const follower of this.#bySubject.get(subject) ?? []) follower.wake();
      }
    });
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const timer = setTimeout(async () => {
      await this.#poll();
      // Followers may have left, or left and come back with a timer of their own, meanwhile.
      if (this.#timer === timer) this.#schedule();
    }, POLL_INTERVAL_MS);
    this.#timer = timer;
  }

  async #poll(): Promise<void> {
    try {
      for (const head of await this.#options.heads([...this.#bySubject.keys()])) {
        for (const follower of this.#bySubject.get(head.subject) ?? []) {
          follower.erased = head.erased;
          if (head.erased || head.lastSeq > follower.position) follower.wake();
        }
      }
      if (this.#failing) this.#options.onPollState?.(undefined);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.onPollState?.(error);
      this.#failing = true;
    }
  }
}
