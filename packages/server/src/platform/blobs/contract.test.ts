import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedAzurite } from '../../../../../tools/services/shared.ts';
import { SEGMENT_MAX_CHARS } from './blob-store.ts';
import { type BlobStore, openAzureBlobs, openFilesystemBlobs } from './index.ts';

const MIB = 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Memory in use after a collection: garbage would hide whether bytes are streamed. */
function heldBytes(): number {
  collectGarbage();
  const { external, heapUsed } = process.memoryUsage();
  return external + heapUsed;
}

const WEBM = { contentType: 'audio/webm;codecs=opus', maxBytes: 64 * MIB };

/** The contract of the port: every adapter passes all of it. */
const adapters: Record<string, () => Promise<{ store: BlobStore; stop(): Promise<void> }>> = {
  filesystem: async () => {
    const dir = await mkdtemp(join(tmpdir(), 'holdfast-blobs-'));
    const signingKey = randomBytes(32);
    const baseUrl = () => 'http://localhost:8080';
    const store = await openFilesystemBlobs({ dir, baseUrl, signingKey });
    return { store, stop: () => rm(dir, { recursive: true }) };
  },
  azure: async () => {
    const { connectionString } = await sharedAzurite();
    const store = await openAzureBlobs({ connectionString, container: `t${randomUUID()}` });
    return { store, stop: async () => {} };
  },
};

describe.each(Object.entries(adapters))('%s blobs', (name, open) => {
  let store: BlobStore;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    ({ store, stop } = await open());
  });
  afterAll(async () => {
    await store.close();
    await stop();
  });

  const put = (key: string, text: string) =>
    store.put(key, Readable.from([Buffer.from(text)]), WEBM);
  const read = async (key: string, range?: { start: number; end: number }) => {
    const blob = await store.get(key, range);
    return blob && (await buffer(blob.body)).toString();
  };
  const keys = async (prefix: string) => (await Array.fromAsync(store.list(prefix))).sort();

  it.each([
    '',
    '/',
    '/etc/passwd',
    '..',
    '../up',
    'a/../../up',
    'a/./b',
    'a//b',
    'a/',
    'a\\b',
    'a b',
    'a\0b',
    'ä',
    '%2e%2e/up',
    'x'.repeat(SEGMENT_MAX_CHARS + 1),
    Array(300).fill('abcd').join('/'),
  ])('refuses the key %j everywhere', async key => {
    const refused = expect.objectContaining({ code: 'invalid_request' });
    await expect(put(key, 'x')).rejects.toEqual(refused);
    await expect(store.get(key)).rejects.toEqual(refused);
    await expect(store.head(key)).rejects.toEqual(refused);
    await expect(store.delete(key)).rejects.toEqual(refused);
    await expect(store.signedUrl(key, 60)).rejects.toEqual(refused);
  });

  it('answers absence as null, and deletes it without error', async () => {
    expect(await store.get('none/at/all')).toBeNull();
    expect(await store.head('none/at/all')).toBeNull();
    expect(await store.delete('none/at/all')).toBe(false);
    expect(await keys('none/')).toEqual([]);
  });

  it('gives back what was put, with its type and size', async () => {
    const info = {
      key: 'user/2026/01/02/ses_1/rec_1.webm',
      sizeBytes: 5,
      contentType: WEBM.contentType,
    };
    expect(await put(info.key, 'hello')).toEqual(info);
    expect(await store.head(info.key)).toEqual(info);
    const blob = await store.get(info.key);
    expect(blob!.info).toEqual(info);
    expect((await buffer(blob!.body)).toString()).toBe('hello');
  });

  it('gives back the metadata put beside a blob, until another replaces it', async () => {
    const metadata = {
      call_id: 'c/1',
      _2nd: '%20a b',
      scores: '{"of":[1]}',
      most: 'x'.repeat(7000),
    };
    const body = () => Readable.from([Buffer.from('hello')]);
    const put = await store.put('with/metadata', body(), { ...WEBM, metadata });
    expect(put.metadata).toEqual(metadata);
    expect((await store.head('with/metadata'))!.metadata).toEqual(metadata);
    const found = await store.get('with/metadata');
    found!.body.destroy();
    expect(found!.info.metadata).toEqual(metadata);
    await store.put('with/metadata', body(), WEBM);
    expect((await store.head('with/metadata'))!.metadata).toBeUndefined();
    await store.put('with/metadata', body(), { ...WEBM, metadata });
    await store.delete('with/metadata');
    await store.put('with/metadata', body(), WEBM);
    expect((await store.head('with/metadata'))!.metadata).toBeUndefined();
  });

  it('keeps an empty blob', async () => {
    expect((await put('empty/blob', '')).sizeBytes).toBe(0);
    expect(await read('empty/blob')).toBe('');
  });

  it('replaces as a whole', async () => {
    await put('replaced', 'a long first text');
    await put('replaced', 'second');
    expect(await read('replaced')).toBe('second');
  });

  it('reads ranges and reports the whole size', async () => {
    await put('ranged', '0123456789');
    expect(await read('ranged', { start: 0, end: 0 })).toBe('0');
    expect(await read('ranged', { start: 3, end: 5 })).toBe('345');
    const blob = await store.get('ranged', { start: 8, end: 9 });
    expect(blob!.info.sizeBytes).toBe(10);
    expect((await buffer(blob!.body)).toString()).toBe('89');
    await expect(store.get('ranged', { start: 10, end: 12 })).rejects.toMatchObject({
      code: 'range_not_satisfiable',
    });
  });

  it('accepts exactly the limit, and leaves nothing of one byte more', async () => {
    const bytes = (sizeBytes: number) =>
      Readable.from([Buffer.alloc(sizeBytes - 1), Buffer.alloc(1)]);
    const options = { ...WEBM, maxBytes: 1000 };
    expect((await store.put('limit/exact', bytes(1000), options)).sizeBytes).toBe(1000);
    await expect(store.put('limit/over', bytes(1001), options)).rejects.toMatchObject({
      code: 'payload_too_large',
    });
    expect(await keys('limit/')).toEqual(['limit/exact']);
  });

  it('shows nothing of a body that broke half-way, and keeps the blob that was there', async () => {
    await put('broken/kept', 'before');
    for (const key of ['broken/new', 'broken/kept']) {
      const body = new PassThrough();
      body.write(randomBytes(9 * MIB), () => body.destroy(new Error('connection lost')));
      await expect(store.put(key, body, WEBM)).rejects.toThrow('connection lost');
    }
    expect(await keys('broken/')).toEqual(['broken/kept']);
    expect(await read('broken/kept')).toBe('before');
  });

  it('ends on its signal, destroying the body', async () => {
    const abort = new AbortController();
    const body = new PassThrough();
    body.write('half');
    const write = store.put('aborted', body, { ...WEBM, signal: abort.signal });
    abort.abort();
    await expect(write).rejects.toThrow(/abort/i);
    expect(body.destroyed).toBe(true);
    expect(await store.head('aborted')).toBeNull();
  });

  it('is invisible until it is whole', async () => {
    const body = new PassThrough();
    const written = store.put('growing', body, WEBM);
    await new Promise(resolve => body.write(Buffer.alloc(5 * MIB, 1), resolve));
    expect(await store.head('growing')).toBeNull();
    expect(await keys('growing')).toEqual([]);
    body.end(Buffer.alloc(1));
    await written;
    expect((await store.head('growing'))!.sizeBytes).toBe(5 * MIB + 1);
  });

  it('streams large bodies both ways in constant memory', async () => {
    const block = randomBytes(MIB);
    const total = 48;
    const expected = createHash('sha256');
    const before = heldBytes();
    let peakBytes = 0;
    const sample = () => {
      peakBytes = Math.max(peakBytes, heldBytes() - before);
    };
    const source = Readable.from(
      (function* () {
        for (let i = 0; i < total; i++) {
          expected.update(block);
          if (i % 12 === 11) sample();
          yield block;
        }
      })(),
    );
    await store.put('large', source, { ...WEBM, maxBytes: total * MIB });
    const actual = createHash('sha256');
    let readBytes = 0;
    for await (const chunk of (await store.get('large'))!.body as AsyncIterable<Buffer>) {
      actual.update(chunk);
      const sampled = Math.floor(readBytes / (12 * MIB));
      readBytes += chunk.length;
      if (Math.floor(readBytes / (12 * MIB)) > sampled) sample();
    }
    expect(actual.digest('hex')).toBe(expected.digest('hex'));
    expect(peakBytes).toBeLessThan(32 * MIB);
  });

  it('lists by prefix, also one that ends within a segment', async () => {
    for (const key of ['list/a/1', 'list/a/2', 'list/ab', 'list/b/c/3']) await put(key, 'x');
    expect(await keys('list/')).toEqual(['list/a/1', 'list/a/2', 'list/ab', 'list/b/c/3']);
    expect(await keys('list/a')).toEqual(['list/a/1', 'list/a/2', 'list/ab']);
    expect(await keys('list/a/')).toEqual(['list/a/1', 'list/a/2']);
    expect(await keys('list/b/c/3')).toEqual(['list/b/c/3']);
    await expect(keys('../')).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('deletes once', async () => {
    await put('gone/soon', 'x');
    expect(await store.delete('gone/soon')).toBe(true);
    expect(await store.delete('gone/soon')).toBe(false);
    expect(await store.get('gone/soon')).toBeNull();
    expect(await keys('gone/')).toEqual([]);
  });

  it('is one whole body after concurrent puts and deletes of one key', async () => {
    const bodies = Array.from({ length: 12 }, (_, index) => String(index).repeat(1000));
    const results = await Promise.allSettled(
      bodies.flatMap((body, index) => [
        put('busy/key', body),
        ...(index % 3 === 0 ? [store.delete('busy/key')] : []),
      ]),
    );
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'conflict' });
    }
    const left = await read('busy/key');
    expect(left === null || bodies.includes(left)).toBe(true);
    await put('busy/key', 'after');
    expect(await read('busy/key')).toBe('after');
  });

  it('has addresses without credentials, and links that are signed', async () => {
    await put('linked/a.webm', 'x');
    expect(store.url('linked/a.webm')).toMatch(/^http.*linked\/a\.webm$/);
    const link = new URL(await store.signedUrl('linked/a.webm', 60));
    expect(link.pathname.endsWith('linked/a.webm')).toBe(true);
    expect(link.search.length).toBeGreaterThan(20);
  });

  it('answers a ping', async () => {
    await expect(store.ping(5_000)).resolves.toBeUndefined();
    expect(store.adapter).toBe(name);
  });
});
