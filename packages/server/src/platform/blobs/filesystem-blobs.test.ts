import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import Fastify from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HoldfastError } from '../../kernel/index.ts';
import { TEMP_MAX_AGE_MS } from './filesystem-blobs.ts';
import { blobRoutes, openFilesystemBlobs } from './index.ts';

const AUDIO = { contentType: 'audio/webm', maxBytes: 1000 };

async function temporaryFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-blobs-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

async function open(options: { dir?: string; nowMs?: () => number } = {}) {
  const dir = options.dir ?? (await temporaryFolder());
  const nowMs = options.nowMs ?? Date.now;
  const store = await openFilesystemBlobs({
    dir,
    baseUrl: () => 'http://localhost:8080',
    signingKey: randomBytes(32),
    clock: { nowMs, monotonicMs: nowMs },
  });
  const put = (key: string, text: string) =>
    store.put(key, Readable.from([Buffer.from(text)]), AUDIO);
  return { dir, store, put };
}

/** A server with the routes and an error mapper that shows only status and code. */
async function serve(nowMs?: () => number, onRead?: (key: string) => void) {
  const { store, put } = await open({ nowMs });
  const app = Fastify();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, _request, reply) => {
    const code = error instanceof HoldfastError ? error.code : 'invalid_request';
    return reply.status(error instanceof HoldfastError ? error.status : 400).send({ code });
  });
  await app.register(blobRoutes(store, onRead));
  onTestFinished(() => app.close());
  const link = async (key: string, expiresInS = 60) => {
    const { pathname, search } = new URL(await store.signedUrl(key, expiresInS));
    return pathname + search;
  };
  return { app, put, link };
}

describe('a full disk', () => {
  it('answers storage_full, leaves nothing behind and keeps working', async () => {
    const dir = await temporaryFolder();
    const script = new URL('./testing/full-disk.ts', import.meta.url).pathname;
    // A mount namespace of its own: the small volume vanishes with the process.
    const flags = process.getuid?.() === 0 ? ['--mount'] : ['--map-root-user', '--mount'];
    const args = [...flags, process.execPath, script, dir];
    const { stdout } = await promisify(execFile)('unshare', args);
    expect(JSON.parse(stdout)).toEqual({
      before: 'stored 1024',
      tooMuch: 'storage_full',
      leftovers: [],
      visible: null,
      after: 'stored 1024',
    });
  });
});

describe('files', () => {
  it('are readable by their owner only', async () => {
    const { dir, put } = await open();
    await put('a/b', 'x');
    expect((await stat(join(dir, 'blobs/a/b'))).mode & 0o077).toBe(0);
    expect((await stat(join(dir, 'blobs/a'))).mode & 0o077).toBe(0);
  });

  it('leave no empty folders when deleted', async () => {
    const { dir, store, put } = await open();
    await put('a/b/c/d', 'x');
    await put('a/e', 'x');
    await store.delete('a/b/c/d');
    expect(await readdir(join(dir, 'blobs/a'))).toEqual(['e']);
    expect(await readdir(join(dir, 'types/a'))).toEqual(['e']);
    expect(await readdir(join(dir, 'tmp'))).toEqual([]);
  });

  it('refuse a key below a blob', async () => {
    const { store, put } = await open();
    await put('a', 'x');
    await expect(put('a/b', 'x')).rejects.toMatchObject({ code: 'conflict' });
    expect(await store.get('a/b')).toBeNull();
    expect(await store.head('a')).not.toBeNull();
  });

  it('are not folders', async () => {
    const { store, put } = await open();
    await put('a/b', 'x');
    expect(await store.get('a')).toBeNull();
    expect(await store.delete('a')).toBe(false);
  });

  it('that a killed process left half-written are removed once they are old', async () => {
    const { dir } = await open();
    const old = new Date(Date.now() - TEMP_MAX_AGE_MS - 1000);
    await writeFile(join(dir, 'tmp/old'), 'x');
    await writeFile(join(dir, 'tmp/young'), 'x');
    await utimes(join(dir, 'tmp/old'), old, old);
    await open({ dir });
    expect(await readdir(join(dir, 'tmp'))).toEqual(['young']);
  });

  it('survive reopening', async () => {
    const { dir, put } = await open();
    await put('a/b', 'x');
    expect(await (await open({ dir })).store.head('a/b')).toMatchObject({ sizeBytes: 1 });
  });

  it('in a missing folder fail the ping', async () => {
    const { dir, store } = await open();
    await rm(join(dir, 'blobs'), { recursive: true });
    await expect(store.ping(1000)).rejects.toThrow();
    await mkdir(join(dir, 'blobs'));
  });
});

describe('signed links', () => {
  it('open one blob until they expire', async () => {
    let nowMs = 1_700_000_000_000;
    const { app, put, link } = await serve(() => nowMs);
    await put('a/b.webm', 'hello');
    const url = await link('a/b.webm', 60);
    const answer = await app.inject(url);
    expect(answer.statusCode).toBe(200);
    expect(answer.body).toBe('hello');
    expect(answer.headers).toMatchObject({
      'content-type': 'audio/webm',
      'content-length': '5',
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
    });
    nowMs += 60_000;
    expect((await app.inject(url)).statusCode).toBe(403);
  });

  it('are refused when anything about them was changed', async () => {
    const { app, put, link } = await serve();
    await put('a/b', 'secret');
    await put('a/c', 'other');
    const url = await link('a/b');
    const changed = [
      url.replace('/a/b', '/a/c'),
      url.replace(/expires=(\d)/, 'expires=9$1'),
      url.replace(/signature=(.)/, (_, first) => `signature=${first === '_' ? '-' : '_'}`),
      `${url}x`,
      url.replace(/signature=.*/, 'signature='),
      url.replace(/expires=\d+/, 'expires=1e12'),
      '/blobs/a/b',
    ];
    for (const target of changed) {
      const { statusCode, body } = await app.inject(target);
      expect([400, 403], target).toContain(statusCode);
      expect(body).not.toContain('secret');
    }
  });

  it('tell which blob was sent, and wait for nothing that hears of it', async () => {
    const read: string[] = [];
    const never = (key: string) => {
      read.push(key);
      return new Promise<void>(() => {});
    };
    const { app, put, link } = await serve(undefined, never);
    await put('a/b', 'x');
    expect((await app.inject(await link('a/none'))).statusCode).toBe(404);
    expect((await app.inject(await link('a/b'))).body).toBe('x');
    expect(read).toEqual(['a/b']);
  });

  it('answer 404 once the blob is deleted', async () => {
    const { app, link } = await serve();
    expect((await app.inject(await link('a/never'))).statusCode).toBe(404);
  });

  it.each([
    ['bytes=0-0', 206, 'bytes 0-0/10', '0'],
    ['bytes=2-4', 206, 'bytes 2-4/10', '234'],
    ['bytes=7-', 206, 'bytes 7-9/10', '789'],
    ['bytes=-3', 206, 'bytes 7-9/10', '789'],
    ['bytes=5-99', 206, 'bytes 5-9/10', '56789'],
    ['bytes=-99', 206, 'bytes 0-9/10', '0123456789'],
    ['bytes=4-2', 200, undefined, '0123456789'],
    ['bytes=0-1,3-4', 200, undefined, '0123456789'],
    ['items=0-1', 200, undefined, '0123456789'],
  ])('serve the range %s', async (range, status, contentRange, body) => {
    const { app, put, link } = await serve();
    await put('r', '0123456789');
    const answer = await app.inject({ url: await link('r'), headers: { range } });
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-range']).toBe(contentRange);
    expect(answer.headers['content-length']).toBe(String(body.length));
    expect(answer.body).toBe(body);
  });

  it.each(['bytes=10-', 'bytes=-0'])('refuse the range %s', async range => {
    const { app, put, link } = await serve();
    await put('r', '0123456789');
    expect((await app.inject({ url: await link('r'), headers: { range } })).statusCode).toBe(416);
  });
});
