import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HoldfastError } from '../kernel/index.ts';

/**
 * Where an upload waits until it is known to be good: a file per recording below the data folder.
 * The metadata part may follow the audio, and a container is measured with random access, so an
 * upload cannot go to blob storage in one pass. Memory stays constant; disk is bounded by
 * `maxBytes` a file and by the number of uploads admitted at once.
 */
export interface Spool {
  /** Streams into the file and answers size and hash. Removes the file when anything fails. */
  write(id: string, body: Readable, maxBytes: number): Promise<SpooledFile>;
  path(id: string): string;
  read(id: string): Readable;
  has(id: string): Promise<boolean>;
  remove(id: string): Promise<void>;
  /** Ids of all files, with the time of their last change in milliseconds since the epoch. */
  list(): Promise<{ id: string; changedMs: number }[]>;
}

export interface SpooledFile {
  readonly sizeBytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export async function openSpool(dir: string): Promise<Spool> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = (id: string) => join(dir, id);
  return {
    path,
    read: id => createReadStream(path(id)),
    has: async id => (await sizeOf(path(id))) !== undefined,
    remove: id => rm(path(id), { force: true }),
    write: (id, body, maxBytes) => writeFile(path(id), body, maxBytes),
    list: async () => {
      const names = await readdir(dir);
      const files = await Promise.all(
        names.map(async id => ({ id, changedMs: (await changedMs(path(id))) ?? 0 })),
      );
      return files.filter(file => file.changedMs > 0);
    },
  };
}

async function writeFile(path: string, body: Readable, maxBytes: number): Promise<SpooledFile> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) return done(tooLarge(maxBytes));
      hash.update(chunk);
      done(null, chunk);
    },
  });
  try {
    await pipeline(body, meter, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  } catch (error) {
    await rm(path, { force: true });
    throw isNoSpace(error) ? storageFull(error) : error;
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

export function tooLarge(maxBytes: number): HoldfastError {
  return new HoldfastError('payload_too_large', `audio_file may have at most ${maxBytes} bytes.`, {
    field: 'audio_file',
  });
}

function storageFull(cause?: unknown): HoldfastError {
  return new HoldfastError(
    'storage_full',
    'There is no room to store the recording now. Keep it and send it again later.',
    { cause, retryAfterS: 60 },
  );
}

function isNoSpace(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    info => info.size,
    () => undefined,
  );
}

async function changedMs(path: string): Promise<number | undefined> {
  return stat(path).then(
    info => info.mtimeMs,
    () => undefined,
  );
}
