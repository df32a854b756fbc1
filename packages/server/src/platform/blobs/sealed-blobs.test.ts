import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../database/index.ts';
import { withDatabase } from '../database/testing.ts';
import { randomMasterKey } from '../log/testing.ts';
import { createSealer, type Sealer, sealedBytes } from '../secrets/index.ts';
import { type BlobStore, getSealed, openFilesystemBlobs, putSealed } from './index.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/**
 * Memory in use without garbage, which would hide whether bytes are streamed. Buffers that a
 * collection found are freed beside it, so they count until the next one, which waits for that.
 */
function heldBytes(): number {
  collectGarbage();
  collectGarbage();
  const { external, heapUsed } = process.memoryUsage();
  return external + heapUsed;
}

const KIB = 1024;
const MIB = KIB * KIB;
const OPTIONS = { contentType: 'text/plain', maxBytes: 64 * MIB };

withDatabase(open => {
  let dir: string;
  let database: Database;
  let blobs: BlobStore;
  let sealer: Sealer;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdfast-sealed-'));
    database = await open();
    const baseUrl = () => 'http://localhost';
    blobs = await openFilesystemBlobs({ dir, baseUrl, signingKey: new Uint8Array(32) });
    sealer = createSealer({ database, masterKeys: randomMasterKey() });
  });
  afterAll(() => rm(dir, { recursive: true }));

  const put = (key: string, bytes: Uint8Array | string, maxBytes = OPTIONS.maxBytes) => {
    const place = { subject: `run_${key}`, key };
    return putSealed({ blobs, sealer }, place, Readable.from([Buffer.from(bytes)]), {
      ...OPTIONS,
      maxBytes,
    });
  };
  const get = async (key: string) => {
    const opened = await getSealed({ blobs, sealer }, key);
    return opened === null ? null : buffer(opened);
  };
  const stored = async (key: string) => buffer((await blobs.get(key))!.body);
  const replace = (key: string, bytes: Uint8Array) =>
    blobs.put(key, Readable.from([bytes]), OPTIONS);

  describe('a sealed blob', () => {
    it('that was altered, cut, extended, reordered or moved does not open', async () => {
      const plain = randomBytes(200 * KIB);
      const { key } = await put('altered', plain);
      const whole = await stored(key);
      const block = 64 * KIB + 16;
      const at = (n: number) => 256 + n * block;
      const changed = Buffer.from(whole);
      changed[at(1) + 5]! ^= 1;
      const salt = Buffer.from(whole);
      salt[whole.indexOf('"salt":"') + 9]! ^= 1;
      const swapped = Buffer.concat([
        whole.subarray(0, at(0)),
        whole.subarray(at(1), at(2)),
        whole.subarray(at(0), at(1)),
        whole.subarray(at(2)),
      ]);
      const bad = { changed, salt, swapped, extended: Buffer.concat([whole, Buffer.alloc(8)]) };
      const cuts = [0, 100, 256, 257, at(1), at(3), whole.length - 1];
      for (const bytes of [...Object.values(bad), ...cuts.map(n => whole.subarray(0, n))]) {
        await replace(key, bytes);
        await expect(get(key)).rejects.toMatchObject({ code: 'internal' });
      }
      await replace('elsewhere.sealed', whole);
      await expect(get('elsewhere.sealed')).rejects.toMatchObject({ code: 'internal' });
      await replace(key, whole);
      expect((await get(key))?.equals(plain)).toBe(true);
    });

    it('does not open once its subject was erased, and none is put any more', async () => {
      const { key } = await put('erased', 'words');
      await database.transaction(trx => sealer.erase(trx, 'run_erased'));
      await expect(get(key)).rejects.toMatchObject({ code: 'gone' });
      await expect(put('erased', 'more')).rejects.toMatchObject({ code: 'gone' });
    });

    it('that would be too large leaves nothing', async () => {
      await expect(put('large', randomBytes(1001), 1000)).rejects.toMatchObject({
        code: 'payload_too_large',
      });
      expect(await blobs.head('large.sealed')).toBe(null);
    });

    it('whose source fails leaves nothing, and the source’s error is thrown', async () => {
      const source = async function* () {
        yield Buffer.alloc(100 * KIB);
        throw new Error('the source broke');
      };
      const place = { subject: 'run_broken', key: 'broken' };
      const putting = putSealed({ blobs, sealer }, place, Readable.from(source()), OPTIONS);
      await expect(putting).rejects.toThrow('the source broke');
      expect(await blobs.head('broken.sealed')).toBe(null);
    });

    it('opens to the same bytes, at every length around a block', async () => {
      for (const length of [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB]) {
        const plain = randomBytes(length);
        const { key, sizeBytes } = await put(`of-${length}`, plain, length);
        expect({ key, sizeBytes }).toEqual({ key: `of-${length}.sealed`, sizeBytes: length });
        expect((await stored(key)).length).toBe(sealedBytes(length));
        expect((await get(key))?.equals(plain)).toBe(true);
      }
    });

    it('shows nothing of its text, and equal texts are sealed differently', async () => {
      const text = 'words of a user '.repeat(10_000);
      const [one, two] = [await put('one', text), await put('two', text)];
      for (const { key } of [one, two]) expect((await stored(key)).includes('words')).toBe(false);
      expect((await stored(one.key)).equals(await stored(two.key))).toBe(false);
    });

    it('is put and read a block at a time', async () => {
      const heldAtFirst = heldBytes();
      let most = 0;
      const look = () => {
        most = Math.max(most, heldBytes() - heldAtFirst);
      };
      const source = async function* () {
        for (let n = 1; n <= 32; n += 1) {
          yield randomBytes(MIB);
          if (n % 4 === 0) look();
        }
      };
      const place = { subject: 'run_long', key: 'long' };
      const { key } = await putSealed({ blobs, sealer }, place, Readable.from(source()), OPTIONS);
      let sizeBytes = 0;
      for await (const chunk of (await getSealed({ blobs, sealer }, key))!) {
        sizeBytes += chunk.length;
        if (sizeBytes % (4 * MIB) === 0) look();
      }
      expect(sizeBytes).toBe(32 * MIB);
      expect(most).toBeLessThan(8 * MIB);
    });
  });

  it('reads an unsealed blob of an earlier revision as it is', async () => {
    await replace('artifacts/run_1/1.diff', Buffer.from('diff --git'));
    expect(String(await get('artifacts/run_1/1.diff'))).toBe('diff --git');
    expect(await get('artifacts/run_1/2.diff')).toBe(null);
  });
});
