/**
 * Runs in a mount namespace of its own (see `filesystem-blobs.test.ts`): mounts a volume of 2 MiB,
 * fills it through the store, and prints what happened as JSON.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { HoldfastError } from '../../../kernel/index.ts';
import { openFilesystemBlobs } from '../filesystem-blobs.ts';

const MIB = 1024 * 1024;
const dir = process.argv[2]!;
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', dir]);
const signingKey = new Uint8Array(32);
const store = await openFilesystemBlobs({ dir, baseUrl: () => 'http://localhost', signingKey });

async function put(key: string, sizeBytes: number): Promise<string> {
  const body = Readable.from([Buffer.alloc(sizeBytes / 2, 1), Buffer.alloc(sizeBytes / 2, 2)]);
  try {
    const info = await store.put(key, body, { contentType: 'audio/webm', maxBytes: 10 * MIB });
    return `stored ${info.sizeBytes}`;
  } catch (error) {
    return error instanceof HoldfastError ? error.code : String(error);
  }
}

const before = await put('a/small', 1024);
const tooMuch = await put('a/big', 4 * MIB);
const leftovers = readdirSync(join(dir, 'tmp'));
const visible = await store.head('a/big');
const after = await put('a/small-2', 1024);
console.log(JSON.stringify({ before, tooMuch, leftovers, visible, after }));
