import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestServer, type TestServer } from './testing.ts';

let directory: string;
let server: TestServer | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'site-'));
  await mkdir(join(directory, 'site', 'assets'), { recursive: true });
  await writeFile(join(directory, 'secret.txt'), 'secret');
  await writeFile(join(directory, 'site', '.env'), 'secret');
  await writeFile(join(directory, 'site', 'assets', 'app-1a2b.js'), 'export {}');
});
afterEach(async () => {
  await server?.close();
  await rm(directory, { recursive: true, force: true });
});

async function start(built: boolean) {
  if (built) await writeFile(join(directory, 'site', 'index.html'), '<title>App</title>');
  server = await createTestServer({
    site: {
      directory: join(directory, 'site'),
      reservedPrefixes: ['/v1/', '/assets/'],
      notBuilt: 'Build <it> first.',
    },
  });
  server.http.app.post('/pages', { config: { policy: 'open' } }, async () => ({}));
  return server.http.app;
}
const html = { accept: 'text/html,application/xhtml+xml' };

describe('static site', () => {
  it('gives nothing from outside of its folder and no hidden files', async () => {
    const app = await start(true);
    for (const url of [
      '/assets/../../secret.txt',
      '/assets/%2e%2e/%2e%2e/secret.txt',
      '/assets/..%2f..%2fsecret.txt',
      '/assets/..%5c..%5csecret.txt',
      '/assets/%00',
      '/.env',
      '/assets/../.env',
      '//etc/passwd',
    ]) {
      const answer = await app.inject({ url, headers: html });
      expect([url, answer.body.includes('secret'), answer.body.includes('root:')]).toEqual([
        url,
        false,
        false,
      ]);
      expect(answer.statusCode === 200 && !answer.body.includes('App')).toBe(false);
    }
  });

  it('caches hashed files for ever and the page not at all', async () => {
    const app = await start(true);
    const asset = await app.inject('/assets/app-1a2b.js');
    expect(asset.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect(asset.headers['content-type']).toContain('javascript');
    const page = await app.inject({ url: '/', headers: html });
    expect(page.headers['cache-control']).toBe('no-cache');
    expect(page.body).toContain('App');
  });

  it('answers navigations with the page, but neither API paths nor missing files', async () => {
    const app = await start(true);
    expect((await app.inject({ url: '/pages/5?x=1', headers: html })).body).toContain('App');
    expect((await app.inject({ url: '/pages', headers: html })).body).toContain('App');
    expect((await app.inject({ url: '/pages' })).statusCode).toBe(405);
    const missing = await app.inject({ url: '/assets/gone.js', headers: html });
    expect([missing.statusCode, missing.headers['cache-control']]).toEqual([404, 'no-store']);
    expect((await app.inject({ url: '/v1/none', headers: html })).statusCode).toBe(404);
    expect(
      (await app.inject({ url: '/pages/x', headers: { accept: 'application/json' } })).statusCode,
    ).toBe(404);
  });

  it('explains that it is not built', async () => {
    const app = await start(false);
    const page = await app.inject({ url: '/', headers: html });
    expect([page.statusCode, page.headers['content-type']]).toEqual([
      503,
      'text/html; charset=utf-8',
    ]);
    expect(page.body).toContain('Build &#60;it&#62; first.');
    const json = await app.inject({ url: '/', headers: { accept: 'application/json' } });
    expect(json.json()).toMatchObject({ code: 'unavailable', detail: 'Build <it> first.' });
  });
});
