import { type Clock, systemClock } from '../../kernel/index.ts';
import type { SecretSource } from './secrets.ts';

/** A value from a remote store serves this long before it is asked for again. */
export const SECRET_FRESH_MS = 60_000;
/** While the store is away, its last answer serves this long. */
export const SECRET_STALE_MS = 3_600_000;

interface Answer {
  readonly value: string | undefined;
  readonly atMs: number;
}

/**
 * Secrets from the process's environment, else from the store. The store's answers are cached, so
 * that opening a session does not wait for it, and sessions still open during its outage. Names are
 * few and come from operators, so the cache needs no bound of its own.
 */
export function createLayeredSecrets(
  environment: SecretSource,
  store: SecretSource,
  clock: Clock = systemClock,
): SecretSource {
  const answers = new Map<string, Answer>();

  async function fromStore(name: string): Promise<string | undefined> {
    const known = answers.get(name);
    const ageMs = known === undefined ? Infinity : clock.monotonicMs() - known.atMs;
    if (known !== undefined && ageMs < SECRET_FRESH_MS) return known.value;
    try {
      const value = await store.get(name);
      answers.set(name, { value, atMs: clock.monotonicMs() });
      return value;
    } catch (error) {
      if (known !== undefined && ageMs < SECRET_STALE_MS) return known.value;
      throw error;
    }
  }

  return {
    adapter: store.adapter,
    get: async name => (await environment.get(name)) ?? fromStore(name),
  };
}
