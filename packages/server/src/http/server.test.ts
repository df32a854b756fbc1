import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { HoldfastError, JSON_LIMITS } from '../kernel/index.ts';
import { problemBody } from './error-body.ts';
import type { Guard } from './guard.ts';
import { BODY_LIMIT_BYTES, DETAIL_MAX_CHARS } from './limits.ts';
import { createTestServer, eventually, exchange, type TestServer } from './testing.ts';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const routes: FastifyPluginAsyncZod = async app => {
  const open = { policy: 'open' };
  app.post(
    '/things',
    {
      config: open,
      schema: {
        body: z.strictObject({
          name: z.string().max(10),
          kind: z.enum(['a', 'b']).default('a'),
          deep: z.object({ size: z.number() }).optional(),
        }),
        response: { 200: z.object({ name: z.string() }) },
      },
    },
    async request => ({ name: request.body.name }),
  );
  app.get('/things/:id', { config: { policy: 'closed' } }, async request => ({
    principal: request.principal,
  }));
  app.get(
    '/numbers',
    { config: open, schema: { querystring: z.object({ n: z.coerce.number().int() }) } },
    async () => ({}),
  );
  app.get('/crash', { config: open }, async () => {
    throw new Error('secret internals');
  });
  app.get('/openai/crash', { config: { ...open, errors: 'openai' } }, async () => {
    throw new HoldfastError('unknown_model', 'No model x.', { field: 'model', allowed: ['y'] });
  });
  app.get('/busy', { config: open }, async (_request, reply) => {
    reply.header('content-length', 5).header('content-disposition', 'inline');
    throw new HoldfastError('rate_limited', 'Slow down.', { retryAfterS: 1.2 });
  });
};

async function start(options: Parameters<typeof createTestServer>[0] = {}): Promise<TestServer> {
  server = await createTestServer(options);
  await server.http.app.register(routes);
  return server;
}

describe('refusals', () => {
  it('does not register a route without a known policy', async () => {
    const { http } = await start();
    expect(() => http.app.get('/naked', async () => 'x')).toThrow('names no policy');
    expect(() => http.app.get('/odd', { config: { policy: 'nope' } }, async () => 'x')).toThrow();
    expect(() =>
      http.upgrades.add({ path: '/ws', config: { policy: 'nope' }, handle: async () => {} }),
    ).toThrow();
  });

  it('asks the guard before the body is read', async () => {
    const { http, refused } = await start();
    const answer = await http.app.inject({ url: '/things/1' });
    expect(answer.statusCode).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(answer.headers['retry-after']).toBe('3');
    expect(answer.headers['x-ratelimit-remaining']).toBe('0');
    expect(refused.map(error => error.code)).toEqual(['unauthenticated']);
    const passed = await http.app.inject({ url: '/things/1', headers: { 'x-pass': 'me' } });
    expect(passed.json()).toEqual({ principal: 'me' });
  });

  it('asks the guard again once a late body is here, and only then', async () => {
    const looks: string[] = [];
    let isOver = false;
    const guard: Guard<string> = {
      checkRoute: () => {},
      refused: () => {},
      async authenticate({ again }) {
        looks.push(again ? 'again' : 'first');
        if (isOver) throw new HoldfastError('unauthenticated', 'No.');
        return 'me';
      },
    };
    server = await createTestServer({ guard });
    let acts = 0;
    server.http.app.post('/acts', { config: { policy: 'closed' } }, async () => ({ acts: ++acts }));
    const port = await server.listen();
    const body = '{"name":"x"}';
    const head =
      'POST /acts HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n' +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    expect(await exchange(port, head + body)).toMatch(/^HTTP\/1.1 200 /);
    expect(looks).toEqual(['first']);
    const late = async () => {
      const socket = connect(port, '127.0.0.1', () => void socket.write(head));
      const before = looks.length;
      await eventually(() => looks.length > before);
      isOver = true;
      socket.end(body);
      return text(socket);
    };
    expect(await late()).toMatch(/^HTTP\/1.1 401 /);
    expect(looks).toEqual(['first', 'first', 'again']);
    expect(acts).toBe(1);
  });

  it('answers an unknown failure without its cause, and logs it', async () => {
    const { http, lines } = await start();
    const answer = await http.app.inject({
      url: '/crash?key=hidden',
      headers: { 'x-request-id': 'r-1' },
    });
    expect(answer.statusCode).toBe(500);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json()).toEqual({
      type: 'about:blank',
      title: 'Internal error',
      status: 500,
      code: 'internal',
      detail: 'Internal error.',
      error: 'Internal error.',
      request_id: 'r-1',
    });
    await eventually(() => lines().some(line => line.event === 'http.answered'));
    const text = JSON.stringify(lines());
    expect(text).toContain('secret internals');
    expect(text).not.toContain('hidden');
  });

  it('names the field, and what would have been accepted', async () => {
    const { http } = await start();
    const post = (payload: object) => http.app.inject({ method: 'POST', url: '/things', payload });
    const kind = (await post({ name: 'x', kind: 'c' })).json();
    expect(kind).toMatchObject({
      status: 400,
      code: 'invalid_request',
      field: 'kind',
      allowed: ['a', 'b'],
    });
    const deep = (await post({ name: 'x', deep: { size: 'big' } })).json();
    expect(deep).toMatchObject({ field: 'deep.size' });
    const body = (await post([])).json();
    expect(body).toMatchObject({ field: 'body' });
    const query = (await http.app.inject('/numbers?n=x')).json();
    expect(query).toMatchObject({ code: 'invalid_request', field: 'n' });
  });

  it('answers OpenAI errors on routes that declare it', async () => {
    const { http } = await start();
    const answer = await http.app.inject('/openai/crash');
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toEqual({
      error: {
        message: 'No model x. Allowed: y.',
        type: 'invalid_request_error',
        code: 'model_not_found',
        param: 'model',
      },
    });
  });

  it('cuts prose at the limit', async () => {
    const { http } = await start();
    const detailOf = async (chars: number) => {
      const url = `/long-${chars}`;
      http.app.get(url, { config: { policy: 'open' } }, async () => {
        throw new HoldfastError('conflict', 'x'.repeat(chars));
      });
      return (await http.app.inject(url)).json().detail.length;
    };
    expect(await detailOf(DETAIL_MAX_CHARS)).toBe(DETAIL_MAX_CHARS);
    // The cut is marked by one more character.
    expect(
      problemBody(new HoldfastError('conflict', 'x'.repeat(DETAIL_MAX_CHARS + 1)), 'r'),
    ).toMatchObject({
      detail: `${'x'.repeat(DETAIL_MAX_CHARS)}…`,
    });
  });

  it('rounds Retry-After up and forgets headers of the answer that failed', async () => {
    const { http } = await start();
    const answer = await http.app.inject('/busy');
    expect(answer.statusCode).toBe(429);
    expect(answer.headers['retry-after']).toBe('2');
    expect(answer.headers['content-disposition']).toBeUndefined();
    expect(answer.json().code).toBe('rate_limited');
  });

  it.each([
    ['an unknown path', { url: '/none' }, 404, 'not_found'],
    ['a method that is not there', { method: 'DELETE', url: '/things' }, 405, 'method_not_allowed'],
    [
      'broken JSON',
      {
        method: 'POST',
        url: '/things',
        payload: '{',
        headers: { 'content-type': 'application/json' },
      },
      400,
      'invalid_request',
    ],
    [
      'an empty body',
      {
        method: 'POST',
        url: '/things',
        payload: '',
        headers: { 'content-type': 'application/json' },
      },
      400,
      'invalid_request',
    ],
    [
      'prototype pollution',
      {
        method: 'POST',
        url: '/things',
        payload: '{"__proto__":{"a":1}}',
        headers: { 'content-type': 'application/json' },
      },
      400,
      'invalid_request',
    ],
    [
      'another content type',
      { method: 'POST', url: '/things', payload: 'x', headers: { 'content-type': 'text/plain' } },
      415,
      'unsupported_media_type',
    ],
    [
      'a malformed content type',
      { method: 'POST', url: '/things', payload: 'x', headers: { 'content-type': '/' } },
      415,
      'unsupported_media_type',
    ],
    ['a broken escape', { url: '/things/%zz' }, 400, 'invalid_request'],
    ['a parameter that is too long', { url: `/things/${'x'.repeat(300)}` }, 404, 'not_found'],
    ['a URL that is too long', { url: `/none?${'x'.repeat(9000)}` }, 400, 'invalid_request'],
  ] as const)('answers %s', async (_name, request, status, code) => {
    const { http } = await start();
    const answer = await http.app.inject(request as { url: string });
    expect([answer.statusCode, answer.json().code]).toEqual([status, code]);
    expect(answer.headers['x-request-id']).toBe(answer.json().request_id);
    if (status === 405) expect(answer.headers.allow).toBe('POST');
  });

  it('takes a body of exactly the limit and refuses one byte more', async () => {
    const { http } = await start();
    const post = (sizeBytes: number) =>
      http.app.inject({
        method: 'POST',
        url: '/things',
        headers: { 'content-type': 'application/json' },
        payload: `{"name":"x"}${' '.repeat(sizeBytes - 12)}`,
      });
    expect((await post(BODY_LIMIT_BYTES)).statusCode).toBe(200);
    const answer = await post(BODY_LIMIT_BYTES + 1);
    expect([answer.statusCode, answer.json().code]).toEqual([413, 'payload_too_large']);
  });
});

describe('nesting', () => {
  it('is taken up to the limit, and refused beyond it however deep it is', async () => {
    const { http } = await start();
    const post = async (depth: number) => {
      const payload = `{"name":"x","deep":${'{"size":'.repeat(depth - 1)}1${'}'.repeat(depth)}`;
      const headers = { 'content-type': 'application/json' };
      return (await http.app.inject({ method: 'POST', url: '/things', headers, payload })).json();
    };
    expect((await post(JSON_LIMITS.maxDepth)).detail).not.toContain('nested');
    for (const depth of [JSON_LIMITS.maxDepth + 1, 100_000]) {
      expect((await post(depth)).detail).toBe('The body is nested too deeply.');
    }
  });
});

describe('raw HTTP', () => {
  it('answers headers beyond the limit with 431 and nonsense with 400', async () => {
    const { listen } = await start();
    const port = await listen();
    const big = await exchange(
      port,
      `GET / HTTP/1.1\r\nhost: x\r\na: ${'x'.repeat(40_000)}\r\n\r\n`,
    );
    expect(big).toMatch(/^HTTP\/1\.1 431 /);
    expect(big).toContain('"code":"invalid_request"');
    expect(await exchange(port, 'NONSENSE\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(
      await exchange(
        port,
        'GET http://elsewhere/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
      ),
    ).toMatch(/^HTTP\/1\.1 40[04] /);
  });

  it('refuses two Hosts, whatever they say', async () => {
    const { listen } = await start();
    const port = await listen();
    for (const second of ['x', 'other', '']) {
      const head = `host: x\r\nHOST: ${second}\r\nconnection: close\r\n\r\n`;
      const answer = await exchange(port, `GET /numbers?n=1 HTTP/1.1\r\n${head}`);
      expect(answer).toMatch(/^HTTP\/1\.1 400[\s\S]*"field":"host"/);
    }
  });

  it('refuses a missing Host, and ignores unknown expectations', async () => {
    const test = await start();
    const port = await test.listen();
    const close = 'connection: close\r\n\r\n';
    const hostless = await exchange(port, `GET /numbers?n=1 HTTP/1.1\r\n${close}`);
    expect(hostless).toMatch(/^HTTP\/1\.1 400[\s\S]*x-request-id[\s\S]*"field":"host"/);
    const head = `GET /numbers?n=1 HTTP/1.1\r\nhost: x\r\nexpect: wonders\r\n${close}`;
    expect(await exchange(port, head)).toMatch(/^HTTP\/1\.1 200[\s\S]*x-request-id/);
    const closed = head.replace('/numbers?n=1', '/things/1');
    expect(await exchange(port, closed)).toMatch(/^HTTP\/1\.1 401/);
  });

  it('cuts off a request that trickles in', async () => {
    const { listen } = await start({
      limits: { headersTimeoutMs: 50, requestTimeoutMs: 60, checkIntervalMs: 10 },
    });
    const port = await listen();
    expect(await exchange(port, 'GET / HTTP/1.1\r\nhost: x\r\n')).toMatch(/^HTTP\/1\.1 408 /);
    const body =
      'POST /things HTTP/1.1\r\nhost: x\r\n' +
      'content-type: application/json\r\ncontent-length: 9\r\n\r\n{';
    expect(await exchange(port, body)).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('closes idle connections, and connections beyond the limit unanswered', async () => {
    const { http, listen } = await start({
      limits: { maxConnections: 2, keepAliveTimeoutMs: 20, checkIntervalMs: 10 },
    });
    const port = await listen();
    const get = 'GET /numbers?n=1 HTTP/1.1\r\nhost: x\r\n\r\n';
    const held = [1, 2].map(() => connect(port, '127.0.0.1'));
    await Promise.all(held.map(socket => new Promise(resolve => socket.once('connect', resolve))));
    expect(await exchange(port, get)).toBe('');
    for (const socket of held) socket.destroy();
    let open = held.length;
    await eventually(() => {
      http.app.server.getConnections((_error, count) => {
        open = count;
      });
      return open === 0;
    });
    const idle = await exchange(port, get);
    expect(idle).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('treats an upgrade to something else as plain HTTP, and as the last request', async () => {
    const { listen } = await start();
    const port = await listen();
    const headers = 'host: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n';
    const answer = await exchange(port, `GET /numbers?n=1 HTTP/1.1\r\n${headers}`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close\r\n/i);
    const badUrl = await exchange(port, `GET /% HTTP/1.1\r\n${headers}`);
    expect(badUrl).toMatch(/^HTTP\/1\.1 400 [\s\S]*connection: close\r\n/i);
  });

  it('lets running requests finish for the grace period, then cuts them off', async () => {
    const { http, listen } = await start();
    const gate = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    http.app.get('/slow', { config: { policy: 'open' } }, async () => {
      entered.resolve();
      await gate.promise;
      return { done: true };
    });
    const stuck = Promise.withResolvers<void>();
    http.app.get('/never', { config: { policy: 'open' } }, () => {
      stuck.resolve();
      return new Promise<never>(() => {});
    });
    const port = await listen();
    const slow = fetch(`http://127.0.0.1:${port}/slow`);
    await entered.promise;
    const never = new Promise(resolve => {
      httpRequest({ port, path: '/never' }).on('error', resolve).end();
    });
    await stuck.promise;
    const closed = http.close(300);
    gate.resolve();
    expect(await (await slow).json()).toEqual({ done: true });
    await closed;
    await never;
  });
});

describe('every answer', () => {
  it('keeps a well-formed request id and replaces any other', async () => {
    const { http } = await start();
    const idFor = async (id: string) =>
      (await http.app.inject({ url: '/numbers?n=1', headers: { 'x-request-id': id } })).headers[
        'x-request-id'
      ];
    expect(await idFor('abc-1.2_3')).toBe('abc-1.2_3');
    expect(await idFor('x'.repeat(64))).toBe('x'.repeat(64));
    for (const odd of ['x'.repeat(65), 'a b', '<script>', '']) {
      expect(await idFor(odd)).toMatch(/^req_[0-9a-f]{32}$/);
    }
  });

  it('carries security headers, also when it is an error', async () => {
    const { http } = await start();
    for (const url of ['/numbers?n=1', '/none', '/crash']) {
      const { headers } = await http.app.inject({ url, headers: { host: 'localhost:8080' } });
      const csp = String(headers['content-security-policy']);
      expect(csp).toContain("default-src 'self'");
      expect(csp).toContain("connect-src 'self' ws://localhost:8080 wss://localhost:8080");
      expect(csp).toContain("media-src 'self' blob:");
      expect(csp).toContain("worker-src 'self' blob:");
      expect(csp).toContain("frame-ancestors 'none'");
      expect(csp).not.toContain('unsafe-eval');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['strict-transport-security']).toBeUndefined();
    }
    const odd = await http.app.inject({
      url: '/none',
      headers: { host: "x; script-src 'unsafe-inline'" },
    });
    expect(odd.headers['content-security-policy']).not.toContain("script-src 'unsafe-inline'");
  });

  it('lets pages of listed origins embed what a route offers for it, and no others', async () => {
    const { http } = await start({ corsOrigins: ['http://localhost:3000'] });
    http.app.get(
      '/sound',
      { config: { policy: 'public.things', embeddable: true } },
      async () => 'sound',
    );
    const policy = async (url: string, headers: Record<string, string>) =>
      (await http.app.inject({ url, headers })).headers['cross-origin-resource-policy'];
    const others: Record<string, string>[] = [
      {},
      { referer: 'http://localhost:3001/' },
      { referer: 'http://localhost:3000.evil.example/' },
      { referer: 'nonsense' },
      { origin: 'http://evil.example', referer: 'http://localhost:3000/' },
    ];
    for (const headers of others) {
      expect(await policy('/sound', headers)).toBe('same-origin');
    }
    const page = { referer: 'http://localhost:3000/page' };
    expect(await policy('/things/1', page)).toBe('same-origin');
    expect(await policy('/sound', page)).toBe('cross-origin');
    expect(await policy('/sound', { origin: 'http://localhost:3000' })).toBe('cross-origin');
  });

  it('allows other origins only from the list', async () => {
    const { http } = await start({ corsOrigins: ['http://localhost:3000'] });
    const preflight = (origin: string) =>
      http.app.inject({
        method: 'OPTIONS',
        url: '/things',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization',
        },
      });
    const listed = await preflight('http://localhost:3000');
    expect(listed.statusCode).toBe(204);
    expect(listed.headers['access-control-allow-origin']).toBe('http://localhost:3000');
    for (const origin of [
      'http://localhost:3001',
      'http://evil.example',
      'null',
      'http://localhost:3000.evil.example',
    ]) {
      const answer = await preflight(origin);
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
      expect(answer.statusCode).toBe(403);
      expect(answer.json().detail).toContain('HOLDFAST_CORS_ORIGINS');
    }
    const refused = await http.app.inject({
      url: '/things/1',
      headers: { origin: 'http://localhost:3000' },
    });
    expect(refused.statusCode).toBe(401);
    expect(refused.headers['access-control-allow-origin']).toBe('http://localhost:3000');
  });

  it('answers preflights with 404 when no other origin may call', async () => {
    const { http } = await start();
    const answer = await http.app.inject({
      method: 'OPTIONS',
      url: '/things',
      headers: { origin: 'http://a.example', 'access-control-request-method': 'POST' },
    });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect(answer.statusCode).toBeGreaterThanOrEqual(400);
  });

  it('is counted and logged by route pattern, never by path or query', async () => {
    const { http, telemetry, lines } = await start();
    await http.app.inject({ url: '/things/private-id?token=hidden', headers: { 'x-pass': 'me' } });
    await http.app.inject('/nowhere/private-id');
    await eventually(() => lines().filter(line => line.event === 'http.answered').length === 2);
    expect(lines().find(line => line.event === 'http.answered')).toMatchObject({
      method: 'GET',
      route: '/things/:id',
      status: 200,
    });
    const text = await telemetry.prometheus();
    expect(text).toContain(
      'api_requests_total{method="GET",endpoint="/things/:id",status_code="200"} 1',
    );
    expect(text).toContain(
      'api_requests_total{method="GET",endpoint="unmatched",status_code="404"} 1',
    );
    expect(text).toMatch(
      /request_duration_seconds_count\{method="GET",endpoint="\/things\/:id"\} 1/,
    );
    expect(text + JSON.stringify(lines())).not.toMatch(/private-id|hidden/);
  });

  it('is described in OpenAPI', async () => {
    const { http } = await start();
    const doc = (await http.app.inject('/openapi.json')).json();
    expect(doc.openapi).toBe('3.1.0');
    const post = doc.paths['/things'].post;
    expect(post.requestBody.content['application/json'].schema.properties.kind.enum).toEqual([
      'a',
      'b',
    ]);
    expect(post.responses.default).toBeDefined();
    expect(Object.keys(doc.paths)).not.toContain('/openapi.json');
  });
});
