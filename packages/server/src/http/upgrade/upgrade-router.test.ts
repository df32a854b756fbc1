import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { HoldfastError } from '../../kernel/index.ts';
import { createTestServer, eventually, exchange, handshake, type TestServer } from '../testing.ts';
import type { Upgrade } from './upgrade-router.ts';

let server: TestServer | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.close();
  server = undefined;
});

interface Started {
  port: number;
  server: TestServer;
  upgrades: Upgrade<string>[];
}

async function start(options: Parameters<typeof createTestServer>[0] = {}): Promise<Started> {
  server = await createTestServer(options);
  const upgrades: Upgrade<string>[] = [];
  const sockets = new WebSocketServer({ noServer: true });
  server.http.upgrades.add({
    path: '/echo/:room',
    config: { policy: 'open', errors: 'openai' },
    async handle(upgrade) {
      upgrades.push(upgrade);
      sockets.handleUpgrade(upgrade.request, upgrade.socket, upgrade.head, client => {
        client.on('message', data => client.send(`${upgrade.params.room}:${data}`));
      });
    },
  });
  server.http.upgrades.add({
    path: '/closed',
    config: { policy: 'closed' },
    async handle(upgrade) {
      upgrades.push(upgrade);
      upgrade.refuse(new HoldfastError('not_found', `Hello ${upgrade.principal}.`));
    },
  });
  server.http.upgrades.add({
    path: '/broken',
    config: { policy: 'open' },
    handle: async upgrade => {
      upgrades.push(upgrade);
      throw new Error('secret internals');
    },
  });
  return { port: await server.listen(), server, upgrades };
}

describe('refused upgrades', () => {
  it.each([
    ['an unknown path', handshake('/none'), 404],
    ['an unsupported version', handshake('/echo/a', { 'sec-websocket-version': '8' }), 426],
    ['no version', handshake('/echo/a', { 'sec-websocket-version': undefined }), 426],
    ['no host', handshake('/echo/a', { host: undefined }), 400],
    ['two hosts', handshake('/echo/a', { Host: 'elsewhere' }), 400],
    ['no key', handshake('/echo/a', { 'sec-websocket-key': undefined }), 400],
    ['a short key', handshake('/echo/a', { 'sec-websocket-key': 'abc=' }), 400],
    ['another method', handshake('/echo/a', {}, 'POST'), 405],
    ['a body', handshake('/echo/a', { 'content-length': '4' }), 400],
    ['a chunked body', handshake('/echo/a', { 'transfer-encoding': 'chunked' }), 400],
    ['an absolute target', handshake('http://elsewhere/echo/a'), 400],
    ['a target that is a host', handshake('//elsewhere/echo/a'), 404],
    ['an empty parameter', handshake('/echo/'), 404],
    ['a broken escape', handshake('/echo/%zz'), 404],
    ['a URL that is too long', handshake(`/echo/a?${'x'.repeat(9000)}`), 400],
    ['headers beyond the limit', handshake('/echo/a', { a: 'x'.repeat(40_000) }), 431],
    ['no credential', handshake('/closed'), 401],
    ['a handler that fails', handshake('/broken'), 500],
  ])('%s', async (_name, text, status) => {
    const { port, upgrades } = await start();
    const answer = await exchange(port, text);
    expect(answer.split('\r\n')[0]).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).not.toContain('secret internals');
    if (status !== 500) expect(upgrades).toEqual([]);
    if (status === 426) expect(answer).toContain('sec-websocket-version: 13');
  });

  it('point plain HTTP requests to WebSocket', async () => {
    const { server } = await start();
    const answer = await server.http.app.inject('/echo/a');
    expect(answer.statusCode).toBe(426);
    expect(answer.json()).toMatchObject({ error: { code: 'upgrade_required' } });
    const post = await server.http.app.inject({ method: 'POST', url: '/echo/a' });
    expect(post.statusCode).toBe(404);
  });

  it('get the error in the shape of the route, with id and headers', async () => {
    const { port, server } = await start();
    const openai = await exchange(port, handshake('/echo/a', { 'sec-websocket-key': 'x' }));
    expect(JSON.parse(openai.split('\r\n\r\n')[1]!).error.param).toBe('sec-websocket-key');
    const problem = await exchange(port, handshake('/closed', { 'x-request-id': 'r-9' }));
    expect(problem).toContain('x-request-id: r-9');
    expect(problem).toContain('retry-after: 3');
    expect(problem).toContain('x-ratelimit-remaining: 0');
    expect(JSON.parse(problem.split('\r\n\r\n')[1]!)).toMatchObject({
      code: 'unauthenticated',
      request_id: 'r-9',
    });
    expect(server.refused.map(error => error.code)).toContain('unauthenticated');
  });

  it('do not put a query into logs or metrics', async () => {
    const { port, server } = await start();
    await exchange(port, handshake('/closed?api-key=hidden'));
    await exchange(port, handshake('/nowhere-private?api-key=hidden'));
    const text = await server.telemetry.prometheus();
    expect(text).toContain(
      'api_requests_total{method="GET",endpoint="/closed",status_code="401"} 1',
    );
    expect(text).toContain('endpoint="unmatched",status_code="404"} 1');
    expect(text + JSON.stringify(server.lines())).not.toMatch(/hidden|nowhere-private/);
  });

  it('hand over the principal to the handler, which may still refuse, once', async () => {
    const { port, upgrades } = await start();
    const answer = await exchange(port, handshake('/closed', { 'x-pass': 'me' }));
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).toContain('Hello me.');
    upgrades[0]!.refuse(new HoldfastError('internal', 'again'));
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });
});

describe('abuse', () => {
  it('cuts off a peer that trickles its request', async () => {
    const { port } = await start({
      limits: { headersTimeoutMs: 50, requestTimeoutMs: 50, checkIntervalMs: 10 },
    });
    const text = 'GET /echo/a HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n';
    expect(await exchange(port, text)).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('destroys a refused peer that neither reads nor closes', async () => {
    const { port, server } = await start({ limits: { refusalLingerMs: 30 } });
    const socket = raw(port);
    socket.pause();
    socket.write(handshake('/none'));
    await eventually(() => server.lines().some(line => line.event === 'http.upgrade.refused'));
    await eventually(() => server.http.upgrades.openSockets === 0);
  });

  it('survives sockets that are reset at every stage', async () => {
    const gate = Promise.withResolvers<void>();
    const { port, server } = await start({ guard: slowGuard(gate.promise) });
    for (const text of ['GET /echo/a HT', handshake('/none'), handshake('/closed')]) {
      for (let count = 0; count < 10; count += 1) {
        const socket = raw(port);
        await new Promise<void>(resolve => socket.write(text, () => resolve()));
        socket.resetAndDestroy();
      }
    }
    await eventually(() => server.http.upgrades.openSockets === 0);
    gate.resolve();
    const answer = await exchange(port, handshake('/echo/a'), { until: '\r\n\r\n' });
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
  });

  it('bounds the time of authentication', async () => {
    const never = slowGuard(new Promise(() => {}));
    const { port } = await start({ guard: never, limits: { upgradeAuthenticationTimeoutMs: 20 } });
    expect(await exchange(port, handshake('/closed'))).toMatch(/^HTTP\/1\.1 503 /);
  });

  it('authenticates as many at once as the limit allows, and no more', async () => {
    const gate = Promise.withResolvers<void>();
    const { port, server } = await start({
      guard: slowGuard(gate.promise),
      limits: { maxPendingUpgrades: 2 },
    });
    const first = [1, 2].map(() => exchange(port, handshake('/closed')));
    await eventually(() => server.http.upgrades.openSockets === 2);
    expect(await exchange(port, handshake('/closed'))).toMatch(
      /^HTTP\/1\.1 503 [\s\S]*retry-after/,
    );
    gate.resolve();
    for (const answer of await Promise.all(first)) expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('keeps as many open as the limit allows, and counts them', async () => {
    const { port, server } = await start({ limits: { maxOpenUpgrades: 2 } });
    const clients = [1, 2].map(() => new WebSocket(`ws://127.0.0.1:${port}/echo/a`));
    await Promise.all(clients.map(client => opened(client)));
    expect(await server.telemetry.prometheus()).toContain('holdfast_upgraded_sockets 2');
    expect(await exchange(port, handshake('/echo/a'))).toMatch(/^HTTP\/1\.1 503 /);
    clients[0]!.terminate();
    await eventually(() => server.http.upgrades.openSockets === 1);
    const third = new WebSocket(`ws://127.0.0.1:${port}/echo/a`);
    await opened(third);
    for (const client of [clients[1]!, third]) client.terminate();
  });

  it('never writes HTTP into an opened WebSocket', async () => {
    const { port, upgrades } = await start();
    const done = exchange(port, handshake('/echo/a'));
    await eventually(() => upgrades.length === 1 && upgrades[0]!.socket.writable);
    upgrades[0]!.refuse(new HoldfastError('internal', 'too late'));
    expect((await done).match(/HTTP\/1\.1/g)).toHaveLength(1);
  });
});

describe('accepted upgrades', () => {
  it('speak WebSocket, with decoded parameters and early bytes', async () => {
    const { port, upgrades } = await start();
    const client = new WebSocket(`ws://127.0.0.1:${port}/echo/a%20b?x=1`);
    const answer = new Promise(resolve => client.on('message', data => resolve(String(data))));
    await opened(client);
    client.send('hi');
    expect(await answer).toBe('a b:hi');
    expect(upgrades[0]!.url.searchParams.get('x')).toBe('1');
    client.terminate();
    const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
    const early = Buffer.concat([Buffer.from(handshake('/echo/b')), frame]);
    const text = await exchange(port, early, { until: 'b:hi' });
    const accept = createHash('sha1')
      .update('dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11')
      .digest('base64');
    expect(text).toContain(`Sec-WebSocket-Accept: ${accept}`);
  });

  it('are closed when the server closes, which then finishes', async () => {
    const { port, server } = await start();
    const client = new WebSocket(`ws://127.0.0.1:${port}/echo/a`);
    await opened(client);
    const closed = new Promise(resolve => client.on('close', resolve));
    await server.http.close(0);
    await closed;
    expect(server.http.upgrades.openSockets).toBe(0);
  });

  it('are counted once, as 101, when they end', async () => {
    const { port, server } = await start();
    const client = new WebSocket(`ws://127.0.0.1:${port}/echo/a`);
    await opened(client);
    client.terminate();
    await eventually(() => server.lines().some(line => line.event === 'http.upgrade.closed'));
    const text = await server.telemetry.prometheus();
    expect(text).toContain(
      'api_requests_total{method="GET",endpoint="/echo/:room",status_code="101"} 1',
    );
  });
});

function slowGuard(gate: Promise<void>) {
  return {
    checkRoute: () => {},
    refused: () => {},
    authenticate: async (request: { policy: string | undefined }) => {
      if (request.policy === 'closed') await gate;
      return 'me';
    },
  };
}

function raw(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  sockets.push(socket);
  return socket;
}

function opened(client: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => client.on('open', resolve).on('error', reject));
}
