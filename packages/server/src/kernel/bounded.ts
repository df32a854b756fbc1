/**
 * What `work` answers within `timeoutMs`, or throws in that time; afterwards what `onLate` answers
 * or throws. Work that takes longer goes on, and its outcome is ignored.
 */
export async function within<T>(work: Promise<T>, timeoutMs: number, onLate: () => T): Promise<T> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeoutMs);
  try {
    return await Promise.race([work, late.then(onLate)]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether `work` ended within `timeoutMs`; otherwise as `within`. */
export function endsWithin(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  return within(
    work.then(() => true),
    timeoutMs,
    () => false,
  );
}

/** What `work` answers; undefined once `signal` aborted: from then on its outcome is ignored. */
export async function unlessAborted<T>(
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const onAbort = () => resolve(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * As `Promise.all`, but answers only when all have settled: for statements of one transaction, of
 * which none may be left running when it is rolled back.
 */
export async function allOf<const T extends readonly unknown[]>(
  promises: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
