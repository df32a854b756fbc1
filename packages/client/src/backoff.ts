/** How often and after which waits a request is tried again. */
export interface RetryPolicy {
  /** Tries after the first one. */
  retries: number;
  baseMs: number;
  maxMs: number;
  /** 0 ≤ x < 1; a test passes its own. */
  random: () => number;
}

export const RETRY_DEFAULT: RetryPolicy = {
  retries: 3,
  baseMs: 300,
  maxMs: 10_000,
  random: Math.random,
};

/**
 * The wait before try `attempt` (1, 2, 3…): doubling, bounded, and drawn from its upper half so
 * that many clients cut off at one moment do not return at one moment. A server that names a time
 * (`Retry-After`) is obeyed, up to the same bound.
 */
export function delayMs(policy: RetryPolicy, attempt: number, askedMs?: number): number {
  const full = Math.min(policy.maxMs, policy.baseMs * 2 ** (attempt - 1));
  const jittered = full / 2 + (policy.random() * full) / 2;
  return Math.min(policy.maxMs, Math.max(jittered, askedMs ?? 0));
}

/** Resolves after `ms`, or rejects with the signal's reason as soon as it aborts. */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
