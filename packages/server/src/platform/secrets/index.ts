/**
 * Secrets: where named secrets come from, where the master key comes from, and the envelope
 * encryption of private text. `secrets.ts` is the port.
 *
 * Invariants: a value of a secret or key never stands in an error text or a log line. Each subject
 * has one data key, stored wrapped by a master key; erasing it makes every text sealed with it
 * unreadable, for good in the database at once and in other processes' memory within
 * `KEY_CACHE_TTL_MS`. Master keys rotate: the first of the list wraps, all of it unwrap.
 *
 * Table: `subject_keys`.
 */

export { checkMasterKeys } from './check-master-keys.ts';
export { createEnvironmentSecrets } from './environment-secrets.ts';
export { createKeyVaultSecrets, type KeyVaultSecretsOptions } from './key-vault-secrets.ts';
export { createLayeredSecrets, SECRET_FRESH_MS, SECRET_STALE_MS } from './layered-secrets.ts';
export {
  localMasterKey,
  MASTER_KEY_FILE,
  type MasterKey,
  type MasterKeySource,
  masterKeysFromText,
  secretMasterKey,
} from './master-key.ts';
export { createSealer, type RewrappingSealer, type SealerOptions } from './sealer.ts';
export { KEY_CACHE_MAX, KEY_CACHE_TTL_MS } from './sealing-keys.ts';
export * from './secrets.ts';
