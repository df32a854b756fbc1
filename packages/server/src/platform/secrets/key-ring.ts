import { type Clock, HoldfastError } from '../../kernel/index.ts';
import type { MasterKey, MasterKeySource } from './master-key.ts';

/** The source is asked again for an unknown key at most this often. */
export const KEY_RELOAD_INTERVAL_MS = 10_000;

/**
 * The master keys as loaded last. An unknown key id, as during a rotation when a sibling already
 * wraps with a newer key, asks the source again. Loads are shared; a failed one keeps what was
 * there.
 */
export class KeyRing {
  readonly #source: MasterKeySource;
  readonly #clock: Clock;
  #keys: readonly MasterKey[] = [];
  #loading: Promise<void> | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(source: MasterKeySource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** The key that wraps. Throws `unavailable` when no key is available. */
  async current(): Promise<MasterKey> {
    if (this.#keys.length === 0) await this.#load();
    return this.#keys[0] as MasterKey;
  }

  /** The key that once wrapped. Throws `unavailable` when it was withdrawn. */
  async byId(id: string): Promise<MasterKey> {
    const known = this.#find(id);
    if (known !== undefined) return known;
    if (this.#clock.monotonicMs() - this.#askedAtMs >= KEY_RELOAD_INTERVAL_MS) await this.#load();
    const fresh = this.#find(id);
    if (fresh !== undefined) return fresh;
    throw new HoldfastError('unavailable', 'A stored value needs a master key that is missing.', {
      cause: new Error(`Master key ${id} is not among the configured ones.`),
    });
  }

  #find(id: string): MasterKey | undefined {
    return this.#keys.find(key => key.id === id);
  }

  async #load(): Promise<void> {
    this.#loading ??= this.#ask().finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  async #ask(): Promise<void> {
    try {
      const keys = await this.#source.load();
      if (keys.length === 0) throw new Error('The source has no master key.');
      this.#keys = keys;
      this.#askedAtMs = this.#clock.monotonicMs();
    } catch (cause) {
      if (cause instanceof HoldfastError) throw cause;
      throw new HoldfastError('unavailable', 'The master key cannot be read.', { cause });
    }
  }
}
