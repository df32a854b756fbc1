/**
 * Secrets: where named secrets come from, where the master key comes from, and the envelope
 * encryption of private text. `secrets.ts` is the port.
 *
 * Invariants: error texts and log lines never contain the value of a secret or key. Each subject
 * has one data key, stored wrapped by a master key; erasing it makes every text sealed with it
 * unreadable: from the database at once, from other processes' memory within `KEY_CACHE_TTL_MS`.
 * Master keys rotate: the first of the list wraps, all of it unwrap.
 *
 * Table: `subject_keys`.
 */

export { checkDataKeys, checkMasterKeys } from './data-keys.ts';
export { createEnvironmentSecrets } from './environment-secrets.ts';
export { createKeyVaultSecrets } from './key-vault-secrets.ts';
export { createLayeredSecrets } from './layered-secrets.ts';
export {
  localMasterKey,
  type MasterKeySource,
  masterKeysFromText,
  secretMasterKey,
} from './master-key.ts';
export { sealedBytes } from './sealed-stream.ts';
export { createSealer } from './sealer.ts';
export * from './secrets.ts';
