import type { Executor, Trx } from '../database/index.ts';

/** Where named secrets come from: the environment, or Azure Key Vault. Values are never logged. */
export interface SecretSource {
  readonly adapter: string;
  /** Undefined when there is no such secret; throws `unavailable` when the store is away. */
  get(name: string): Promise<string | undefined>;
}

/** A value under envelope encryption: AES-256-GCM with the subject's data key. */
export interface Sealed {
  /** Names the wrapped data key; erasing that key makes every text sealed by it unreadable. */
  readonly keyId: string;
  readonly ciphertext: Uint8Array;
}

/**
 * Envelope encryption with a key per subject. The data key is stored wrapped by a master key that
 * comes from the secret source; `erase` destroys it.
 */
export interface Sealer {
  /**
   * Creates the subject's data key in the given transaction when there is none yet. Throws `gone`
   * when the subject's key was erased, `unavailable` when the master key is not available.
   */
  seal(trx: Trx, subject: string, plain: unknown): Promise<Sealed>;
  /**
   * Makes the data key of a subject that is new in this transaction, so that sealing for it need
   * not ask whether there is one.
   */
  create(trx: Trx, subject: string): Promise<void>;
  /** `seal` for many values of one subject with one look-up of its key, in the same order. */
  sealAll(trx: Trx, subject: string, plains: readonly unknown[]): Promise<Sealed[]>;
  /** The value, or undefined when the key was erased. Throws when the ciphertext was altered. */
  open(executor: Executor, subject: string, sealed: Sealed): Promise<unknown>;
  /** `open` for many values of one subject with at most one look-up of its key. */
  openAll(executor: Executor, subject: string, sealed: readonly Sealed[]): Promise<unknown[]>;
  /** Caches the key for an `open` soon after, so that both look-ups can run at once. */
  lookUpKey(executor: Executor, subject: string): Promise<void>;
  /**
   * `seal` for bytes of any length, a block at a time; creates the data key in a transaction of its
   * own. The name that the bytes lie under is needed to open them.
   */
  sealStream(
    subject: string,
    name: string,
    plain: AsyncIterable<Uint8Array>,
  ): AsyncIterable<Uint8Array>;
  /**
   * Ends with `gone` when the key was erased, `internal` when the bytes were altered, which may
   * show only after a part of them.
   */
  openStream(name: string, sealed: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  /** Destroys the subject's data key, and prevents a new one. */
  erase(trx: Trx, subject: string): Promise<void>;
}
