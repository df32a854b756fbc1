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
  write(id: string, body: Readable, limits: SpoolLimits): Promise<SpooledFile>;
  path(id: string): string;
  read(id: string): Readable;
  remove(id: string): Promise<void>;
  /** Ids of all files, with the time of their last change in milliseconds since the epoch. */
  list(): Promise<{ id: string; changedMs: number }[]>;
}

interface SpoolLimits {
  readonly maxBytes: number;
  /** How long the body may bring nothing. */
  readonly idleMs: number;
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
    remove: id => rm(path(id), { force: true }),
    write: (id, body, limits) => writeFile(path(id), body, limits),
    list: async () => {
      const names = await readdir(dir);
      const files = await Promise.all(
        names.map(async id => {
          // A file that was removed meanwhile is left out.
          const info = await stat(path(id)).catch(() => undefined);
          return info === undefined ? [] : [{ id, changedMs: info.mtimeMs }];
        }),
      );
      return files.flat();
    },
  };
}

async function writeFile(
  path: string,
  body: Readable,
  { maxBytes, idleMs }: SpoolLimits,
): Promise<SpooledFile> {
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), idleMs);
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      timer.refresh();
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) return done(tooLarge(maxBytes));
      hash.update(chunk);
      done(null, chunk);
    },
  });
  try {
    const file = createWriteStream(path, { flags: 'wx', mode: 0o600 });
    await pipeline(body, meter, file, { signal: stalled.signal });
  } catch (error) {
    await rm(path, { force: true });
    if (stalled.signal.aborted) {
      throw new HoldfastError('invalid_request', 'The upload has stalled. Send it again.', {
        field: 'audio_file',
      });
    }
    const code = (error as NodeJS.ErrnoException | undefined)?.code;
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
    throw new HoldfastError(
      'storage_full',
      'There is no room to store the recording now. Keep it and send it again later.',
      { cause: error, retryAfterS: 60 },
    );
  } finally {
    clearTimeout(timer);
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

export function tooLarge(maxBytes: number): HoldfastError {
  return new HoldfastError('payload_too_large', `audio_file may have at most ${maxBytes} bytes.`, {
    field: 'audio_file',
  });
}
