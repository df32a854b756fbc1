import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  readFile,
  rm,
  statfs,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Clock, HoldfastError, systemClock, within } from '../../kernel/index.ts';
import {
  type BlobInfo,
  type BlobStore,
  type ByteRange,
  checkKey,
  checkPrefix,
  metadataPart,
  type PutOptions,
  SizeLimit,
} from './blob-store.ts';
import { checkRange } from './byte-range.ts';
import { isCode, moveDurably, pruneFolders, removeStale, walk } from './folders.ts';

export interface FilesystemBlobsOptions {
  /** Created when absent. Several processes of one machine may share it. */
  readonly dir: string;
  /** Where `blobRoutes` is reached, without a trailing slash; asked at each use. */
  readonly baseUrl: () => string;
  /** Signs links; a holder of this key can read every blob. */
  readonly signingKey: Uint8Array;
  readonly clock?: Clock;
}

export interface FilesystemBlobs extends BlobStore {
  /** Whether a signed link is genuine and not expired. `expires`: seconds since the Unix epoch. */
  verify(key: string, expires: number, signature: string): boolean;
}

/** Half-written files of killed processes are removed at the next start when they are this old. */
export const TEMP_MAX_AGE_MS = 24 * 3600 * 1000;

/**
 * Blobs as files. Four folders: `tmp/` for what is being written, `blobs/` for the finished bytes,
 * `types/` for their media types, `metadata/` for what else is known of them, as JSON. A blob is
 * written to `tmp/`, synced, and renamed into `blobs/`; its type and metadata are in place before
 * that, so every visible blob has them.
 */
export async function openFilesystemBlobs(
  options: FilesystemBlobsOptions,
): Promise<FilesystemBlobs> {
  const store = new FilesystemStore(options);
  await store.open();
  return store;
}

class FilesystemStore implements FilesystemBlobs {
  readonly adapter = 'filesystem';
  readonly managesLifecycle = false;
  readonly #options: FilesystemBlobsOptions;
  readonly #clock: Clock;

  constructor(options: FilesystemBlobsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async open(): Promise<void> {
    for (const part of ['tmp', 'blobs', 'types', 'metadata']) {
      await mkdir(join(this.#options.dir, part), { recursive: true, mode: 0o700 });
    }
    await removeStale(join(this.#options.dir, 'tmp'), TEMP_MAX_AGE_MS);
  }

  async put(key: string, body: Readable, options: PutOptions): Promise<BlobInfo> {
    const temp = join(this.#options.dir, 'tmp', randomUUID());
    try {
      checkKey(key);
      const sizeBytes = await writeSynced(temp, body, options);
      const { contentType, metadata } = options;
      await this.#place('types', key, contentType);
      const part = metadataPart(metadata);
      if (part.metadata) await this.#place('metadata', key, JSON.stringify(metadata));
      else await this.#unlink('metadata', key);
      await moveDurably(temp, this.#path('blobs', key));
      return { key, sizeBytes, contentType, ...part };
    } catch (error) {
      body.destroy();
      await rm(temp, { force: true });
      throw toBlobError(error);
    }
  }

  async #place(part: string, key: string, text: string): Promise<void> {
    const temp = join(this.#options.dir, 'tmp', randomUUID());
    try {
      await writeFile(temp, text, { flag: 'wx', mode: 0o600, flush: true });
      await moveDurably(temp, this.#path(part, key));
    } catch (error) {
      await rm(temp, { force: true });
      throw error;
    }
  }

  async get(key: string, range?: ByteRange): Promise<{ info: BlobInfo; body: Readable } | null> {
    const opened = await this.#openBlob(key);
    if (!opened) return null;
    const { handle, info } = opened;
    if (range) {
      try {
        checkRange(range, info.sizeBytes);
      } catch (error) {
        await handle.close();
        throw error;
      }
    }
    return { info, body: handle.createReadStream({ start: range?.start, end: range?.end }) };
  }

  async head(key: string): Promise<BlobInfo | null> {
    const opened = await this.#openBlob(key);
    await opened?.handle.close();
    return opened?.info ?? null;
  }

  async #openBlob(key: string): Promise<{ handle: FileHandle; info: BlobInfo } | null> {
    checkKey(key);
    let handle: FileHandle | undefined;
    try {
      handle = await open(this.#path('blobs', key), 'r');
      const stat = await handle.stat();
      if (stat.isFile()) {
        const contentType = await readFile(this.#path('types', key), 'utf8');
        const metadata = await this.#metadata(key);
        return { handle, info: { key, sizeBytes: stat.size, contentType, ...metadata } };
      }
    } catch (error) {
      if (!isCode(error, 'ENOENT', 'ENOTDIR')) throw toBlobError(error);
    }
    await handle?.close();
    return null;
  }

  async #metadata(key: string): Promise<Pick<BlobInfo, 'metadata'>> {
    try {
      return metadataPart(JSON.parse(await readFile(this.#path('metadata', key), 'utf8')));
    } catch (error) {
      if (isCode(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) return {};
      throw error;
    }
  }

  async delete(key: string): Promise<boolean> {
    checkKey(key);
    const existed = await this.#unlink('blobs', key);
    await this.#unlink('types', key);
    await this.#unlink('metadata', key);
    return existed;
  }

  async #unlink(part: string, key: string): Promise<boolean> {
    try {
      await unlink(this.#path(part, key));
    } catch (error) {
      if (isCode(error, 'ENOENT', 'ENOTDIR', 'EISDIR', 'EPERM')) return false;
      throw toBlobError(error);
    }
    await pruneFolders(join(this.#options.dir, part), key);
    return true;
  }

  async *list(prefix: string): AsyncIterable<string> {
    checkPrefix(prefix);
    yield* walk(join(this.#options.dir, 'blobs'), prefix);
  }

  url(key: string): string {
    checkKey(key);
    return `${this.#options.baseUrl()}/blobs/${key}`;
  }

  async signedUrl(key: string, expiresInS: number): Promise<string> {
    const expires = Math.ceil(this.#clock.nowMs() / 1000) + expiresInS;
    const signature = signLink(this.#options.signingKey, key, expires);
    return `${this.url(key)}?expires=${expires}&signature=${signature}`;
  }

  verify(key: string, expires: number, signature: string): boolean {
    if (!Number.isSafeInteger(expires) || expires * 1000 <= this.#clock.nowMs()) return false;
    return isLinkSignature(this.#options.signingKey, { key, expires, signature });
  }

  async ping(timeoutMs: number): Promise<void> {
    await within(statfs(join(this.#options.dir, 'blobs')), timeoutMs, () => {
      throw new HoldfastError('unavailable', 'The folder of blobs does not answer.');
    });
  }

  async close(): Promise<void> {}

  #path(part: string, key: string): string {
    return join(this.#options.dir, part, ...key.split('/'));
  }
}

/** Writes and syncs a new file; answers its size. Destroys the body on failure. */
async function writeSynced(path: string, body: Readable, options: PutOptions): Promise<number> {
  const limit = new SizeLimit(options.maxBytes);
  const sink = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true });
  await pipeline(body, limit, sink, { signal: options.signal });
  return limit.sizeBytes;
}

function toBlobError(error: unknown): unknown {
  if (isCode(error, 'ENOSPC', 'EDQUOT')) {
    return new HoldfastError('storage_full', 'Storage is full.', { cause: error });
  }
  if (isCode(error, 'ENOTDIR', 'EISDIR', 'EEXIST')) {
    return new HoldfastError('conflict', 'A part of this key is a blob itself.', { cause: error });
  }
  return error;
}

/**
 * Signatures of links to blobs: HMAC-SHA-256 over the key and the expiry, so that neither can be
 * changed. The holder of a link may read that one blob until then, and nothing else.
 */
function signLink(signingKey: Uint8Array, key: string, expires: number): string {
  return createHmac('sha256', signingKey).update(`${key}\n${expires}`).digest('base64url');
}

/** Compares in constant time. */
function isLinkSignature(
  signingKey: Uint8Array,
  link: { key: string; expires: number; signature: string },
): boolean {
  const expected = Buffer.from(signLink(signingKey, link.key, link.expires));
  const given = Buffer.from(link.signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
