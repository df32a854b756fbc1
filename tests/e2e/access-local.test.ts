/**
 * Local mode on a running server: a user of this machine is let in, and what comes from
 * elsewhere or was caused by another site's page is refused, and reaches nothing.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exchange, handshake } from '../../packages/server/src/http/testing.ts';
import { type Stack, startStack } from './harness/stacks.ts';

let stack: Stack;
let port: number;
beforeAll(async () => {
  stack = await startStack('embedded', {
    server: { HOLDFAST_CORS_ORIGINS: 'http://localhost:3000' },
  });
  port = Number(new URL(stack.url).port);
});
afterAll(() => stack?.stop());

interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Sends exactly these headers, `Host` and `Origin` too, which `fetch` would not. */
async function ask(
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const all = { host: `localhost:${port}`, connection: 'close', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return parse(await exchange(port, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`));
}

/** The answer to an opening handshake; the socket is gone then. */
async function upgrade(path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const text = handshake(path, { host: `localhost:${port}`, ...headers });
  return parse(await exchange(port, text, { until: '\r\n\r\n' }));
}

function parse(text: string): Answer {
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const [line = '', ...rest] = head.split('\r\n');
  const headers = rest.map(one => {
    const [name = '', value = ''] = one.split(/: ?(.*)/s);
    return [name.toLowerCase(), value] as const;
  });
  return { status: Number(line.split(' ')[1]), headers: new Map(headers), body };
}

const SOCKET = '/v1/realtime?model=gpt-realtime';

/** What such a request could have left behind: sessions here, and sessions at the model. */
async function traces(): Promise<{ here: number; upstream: number }> {
  const count = async (url: string) =>
    ((await (await fetch(url)).json()) as { data: unknown[] }).data.length;
  return {
    here: await count(`${stack.url}/v1/sessions?limit=100`),
    upstream: await count(`${stack.simulatorUrl}/_simulator/sessions`),
  };
}

/** Refused by plain requests, by writes and by upgrades, without any trace. */
async function expectRefused(headers: Record<string, string>, kinds: readonly string[]) {
  const before = await traces();
  for (const kind of kinds) {
    const answer =
      kind === 'WS' ? await upgrade(SOCKET, headers) : await ask(kind, pathOf(kind), headers);
    expect([kind, answer.status]).toEqual([kind, 403]);
    expect(answer.headers.has('set-cookie')).toBe(false);
    expect(answer.headers.has('access-control-allow-origin')).toBe(false);
  }
  expect(await traces()).toEqual(before);
}

const pathOf = (kind: string) => (kind === 'POST' ? '/sessions' : '/v1/sessions');

describe('refused in local mode', () => {
  it.each([
    ['forwarded', 'for=127.0.0.1;host=localhost'],
    ['x-forwarded-for', '127.0.0.1'],
    ['x-forwarded-host', 'localhost'],
    ['x-forwarded-proto', 'https'],
    ['X-Forwarded-Prefix', '/'],
    ['via', '1.1 proxy'],
  ])('requests that came through a proxy: %s', async (name, value) => {
    await expectRefused({ [name]: value }, ['GET', 'POST', 'WS']);
    expect((await ask('GET', '/', { [name]: value })).status).toBe(403);
    expect((await ask('GET', `/auth/local?token=x`, { [name]: value })).status).toBe(403);
  });

  it.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.nip.io',
    'localhost@evil.example',
    '0.0.0.0',
    '[::2]',
  ])('a Host that DNS was rebound to: %s', async host => {
    await expectRefused({ host: `${host}:${port}` }, ['GET', 'POST', 'WS']);
    const link = `/auth/local?token=${stack.servers[0]!.adminToken}`;
    expect((await ask('GET', link, { host: `${host}:${port}` })).status).toBe(403);
  });

  it.each([
    [{ origin: 'http://evil.example' }],
    [{ origin: 'null' }],
    [{ origin: 'http://localhost:1' }],
    [{ origin: 'https://localhost:3000' }],
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site' }],
  ] as [Record<string, string>][])('writes and sockets of other pages: %j', async headers => {
    await expectRefused(headers, ['POST', 'WS']);
    const form = { 'content-type': 'text/plain', 'content-length': '0', ...headers };
    expect((await ask('POST', '/v1/realtime/client_secrets', form)).status).toBe(403);
    expect((await ask('DELETE', '/v1/sessions/ses_x', headers)).status).toBe(403);
  });

  it('an upgrade from elsewhere that brings a key of its own', async () => {
    const headers = { origin: 'http://evil.example' };
    for (const key of ['sk-anything', `ek_${'x'.repeat(43)}`]) {
      const offered = `realtime, openai-insecure-api-key.${key}`;
      const answer = await upgrade(SOCKET, { ...headers, 'sec-websocket-protocol': offered });
      expect(answer.status).toBe(403);
      expect(answer.body).not.toContain(key);
    }
  });
});

describe('let in by local mode', () => {
  it('direct requests, our own page, and listed origins', async () => {
    const own = `http://localhost:${port}`;
    for (const origin of [undefined, own, 'http://localhost:3000']) {
      const headers: Record<string, string> = origin === undefined ? {} : { origin };
      expect((await ask('POST', '/sessions', headers)).status).toBe(201);
      expect((await upgrade(SOCKET, headers)).status).toBe(101);
    }
  });
});

describe('the one-time link', () => {
  it('makes an Admin of one browser, once, and only on our own pages', async () => {
    const link = `/auth/local?token=${stack.servers[0]!.adminToken}`;
    expect((await ask('GET', '/v1/api-keys')).status).toBe(403);
    const first = await ask('GET', link);
    expect(first.status).toBe(303);
    const cookie = first.headers.get('set-cookie')!.split(';')[0]!;
    const secret = first.headers.get('location')!.replace('/#page=', '');
    const page = { cookie, 'x-holdfast-page': secret };
    const own = { ...page, origin: `http://localhost:${port}` };
    const again = await ask('GET', link);
    expect([again.status, again.headers.has('set-cookie')]).toEqual([401, false]);
    expect((await ask('GET', '/v1/api-keys', page)).status).toBe(200);
    // Another port of this host receives the cookie, and can send whatever a page would.
    for (const forged of [{}, { 'x-holdfast-page': cookie.split('=')[1]! }]) {
      const stolen = { ...own, 'x-holdfast-page': 'x'.repeat(43), ...forged };
      expect((await ask('GET', '/v1/api-keys', stolen)).status).toBe(403);
    }
    const listed = { ...page, origin: 'http://localhost:3000' };
    expect((await ask('GET', '/v1/api-keys', listed)).status).toBe(403);
    const foreign = { ...page, origin: 'http://evil.example' };
    expect((await ask('POST', '/auth/logout', foreign)).status).toBe(403);
    expect((await ask('POST', '/auth/logout', page)).status).toBe(403);
    expect((await ask('POST', '/auth/logout', own)).status).toBe(200);
    expect((await ask('GET', '/v1/api-keys', page)).status).toBe(403);
    const token = stack.servers[0]!.adminToken;
    expect(stack.servers[0]!.process.lines.join('\n')).not.toContain(token);
  });
});
