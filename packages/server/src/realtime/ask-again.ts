import { setTimeout as delay } from 'node:timers/promises';
import { type HoldfastError, toHoldfastError } from '../kernel/index.ts';
import { UpstreamFault } from './errors.ts';

/**
 * Asks a provider again where nothing was begun: a bounded number of times, with growing pauses, or
 * after the pause that the provider names. All attempts and pauses together stay within
 * `timeoutMs`; a provider that names a longer pause is not waited for.
 */
const ATTEMPTS_MAX = 3;
const PAUSE_MIN_MS = 200;
/** The longest pause that a provider may ask for; a client waits in silence meanwhile. */
const RETRY_AFTER_MAX_MS = 5_000;
/** Left for the last attempt; a pause that leaves less is not begun. */
const ATTEMPT_MIN_MS = 500;

export interface Again {
  readonly attempt: number;
  readonly pauseMs: number;
  readonly error: HoldfastError;
}

export interface AskOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether nothing was begun, and the same may succeed later. */
  readonly isSafe: (error: HoldfastError) => boolean;
  readonly onAgain?: ((again: Again) => void) | undefined;
  /** 0 ≤ value < 1. */
  readonly random?: () => number;
}

/** What `ask` answers; throws its last `HoldfastError`. `leftMs` is the time it may take. */
export async function askAgain<T>(
  ask: (leftMs: number) => Promise<T>,
  options: AskOptions,
): Promise<T> {
  const { timeoutMs, signal, isSafe, onAgain, random = Math.random } = options;
  const deadlineMs = performance.now() + timeoutMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask(Math.max(1, Math.floor(deadlineMs - performance.now())));
    } catch (thrown) {
      const error = toHoldfastError(thrown);
      const pauseMs = pauseAfter(error, attempt, random());
      const isLate = performance.now() + pauseMs + ATTEMPT_MIN_MS > deadlineMs;
      if (attempt >= ATTEMPTS_MAX || isLate || signal?.aborted || !isSafe(error)) throw error;
      onAgain?.({ attempt, pauseMs: Math.round(pauseMs), error });
      await delay(pauseMs, undefined, { ...(signal && { signal }), ref: false }).catch(() => {});
      if (signal?.aborted) throw error;
    }
  }
}

/** What the provider asks for, or a pause that doubles, drawn from its upper half. */
function pauseAfter(error: HoldfastError, attempt: number, drawn: number): number {
  const { cause } = error;
  const askedS = cause instanceof UpstreamFault ? cause.words?.retryAfterS : null;
  if (askedS !== null && askedS !== undefined) {
    return askedS * 1_000 > RETRY_AFTER_MAX_MS ? Number.POSITIVE_INFINITY : askedS * 1_000;
  }
  return PAUSE_MIN_MS * 2 ** (attempt - 1) * (0.5 + drawn / 2);
}
