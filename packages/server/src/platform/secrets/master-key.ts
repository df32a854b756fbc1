import { createHash, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, mkdir, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, HoldfastError, syncFolder } from '../../kernel/index.ts';
import type { SecretSource } from './secrets.ts';

/**
 * Master keys wrap data keys. Their text form is one or more 32-byte keys in base64, separated by
 * commas or white space: the first one is current and wraps; the others only unwrap what they
 * wrapped earlier. To rotate, put a new key first, let the replicas take it up, re-wrap, and drop
 * the old one.
 */
export interface MasterKey {
  /** Derived from the key itself, so that operators need not name versions. */
  readonly id: string;
  readonly key: KeyObject;
}

export interface MasterKeySource {
  /** All master keys, the current one first. Throws when there is none, or a key is malformed. */
  load(): Promise<readonly MasterKey[]>;
}

export const MASTER_KEY_FILE = 'master.key';
const KEY_BYTES = 32;
const KEYS_MAX = 16;
const FILE_MAX_BYTES = 4_096;

/** Error texts name a key by its place, never by its value. */
export function masterKeysFromText(text: string): readonly MasterKey[] {
  const parts = text.split(/[\s,]+/).filter(part => part !== '');
  if (parts.length === 0 || parts.length > KEYS_MAX) {
    throw new Error(`Expected 1 to ${KEYS_MAX} master keys, found ${parts.length}.`);
  }
  return parts.map((part, index) => {
    const bytes = Buffer.from(part, 'base64');
    if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(part) || bytes.length !== KEY_BYTES) {
      throw new Error(`Master key ${index + 1} is not ${KEY_BYTES} bytes in base64.`);
    }
    const digest = createHash('sha256').update('holdfast master key id').update(bytes);
    return { id: digest.digest('hex').slice(0, 16), key: createSecretKey(bytes) };
  });
}

/** Master keys from a named secret. */
export function secretMasterKey(secrets: SecretSource, name: string): MasterKeySource {
  return {
    async load() {
      const text = await secrets.get(name);
      if (text === undefined) {
        throw new HoldfastError('unavailable', 'The master key is missing.', {
          cause: new Error(`There is no secret named ${name} (${secrets.adapter}).`),
        });
      }
      return masterKeysFromText(text);
    },
  };
}

/**
 * Master keys from `master.key` in the data folder, made on the first load with mode 0600. It lies
 * beside the data it protects: it guards a copied database, not a stolen disk. The file appears
 * whole or not at all, and of two processes making it at once both use the same one. A file that
 * others may read, a symbolic link, or anything but a regular file is refused.
 */
export function localMasterKey(dataDir: string): MasterKeySource {
  const path = join(dataDir, MASTER_KEY_FILE);
  return {
    async load() {
      const text = (await readPrivateFile(path)) ?? (await createKeyFile(dataDir, path));
      return masterKeysFromText(text);
    },
  };
}

async function createKeyFile(dataDir: string, path: string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(`${randomBytes(KEY_BYTES).toString('base64')}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    // Unlike a rename, a link fails when another process was first.
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  await syncFolder(dataDir);
  const text = await readPrivateFile(path);
  if (text === undefined) throw new Error(`${path} vanished while it was made.`);
  return text;
}

async function readPrivateFile(path: string): Promise<string | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP') throw new Error(`${path} is a symbolic link; it must be a plain file.`);
    throw error;
  }
  try {
    const facts = await handle.stat();
    if (!facts.isFile() || facts.size > FILE_MAX_BYTES) {
      throw new Error(`${path} is not a key file.`);
    }
    if (process.platform !== 'win32' && (facts.mode & 0o077) !== 0) {
      throw new Error(`${path} may be read by others; run: chmod 600 ${path}`);
    }
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

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
