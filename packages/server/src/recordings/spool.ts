import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
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
  /** Makes small changes to the file, given in its order; answers its size and hash then. */
  edit(id: string, edits: readonly SpoolEdit[]): Promise<SpooledFile>;
  path(id: string): string;
  read(id: string): Readable;
  remove(id: string): Promise<void>;
  /** Ids of all files, with the time of their last change in milliseconds since the epoch. */
  list(): Promise<{ id: string; changedMs: number }[]>;
}

interface SpoolEdit {
  readonly at: number;
  /** So many bytes at `at` are replaced. */
  readonly remove: number;
  /** In hexadecimal. */
  readonly insert: string;
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
    edit: (id, edits) => editFile(path(id), edits),
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
    throw toSpoolError(error);
  } finally {
    clearTimeout(timer);
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

function toSpoolError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new HoldfastError(
    'storage_full',
    'There is no room to store the recording now. Keep it and send it again later.',
    { cause: error, retryAfterS: 60 },
  );
}

/** Writes a changed copy in its place; what a crash leaves of the copy is found by its age. */
async function editFile(path: string, edits: readonly SpoolEdit[]): Promise<SpooledFile> {
  const copy = `${path}.edited`;
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sizeBytes += chunk.length;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  try {
    const file = createWriteStream(copy, { flags: 'wx', mode: 0o600 });
    await pipeline(Readable.from(edited(path, edits), { objectMode: false }), meter, file);
    await rename(copy, path);
  } catch (error) {
    await rm(copy, { force: true });
    throw toSpoolError(error);
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

async function* edited(path: string, edits: readonly SpoolEdit[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const edit of edits) {
    if (edit.at > at) yield* createReadStream(path, { start: at, end: edit.at - 1 });
    yield Buffer.from(edit.insert, 'hex');
    at = Math.max(at, edit.at + edit.remove);
  }
  yield* createReadStream(path, { start: at });
}

export function tooLarge(maxBytes: number): HoldfastError {
  return new HoldfastError('payload_too_large', `audio_file may have at most ${maxBytes} bytes.`, {
    field: 'audio_file',
  });
}
