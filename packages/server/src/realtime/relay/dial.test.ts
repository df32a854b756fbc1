import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createRawServer, type Server as RawServer, type Socket } from 'node:net';
import { type Duplex, PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { createCertificate } from '../../../../../tools/services/certificate.ts';
import { acceptKey } from './accept.ts';
import { type DialOptions, type DialResult, dialUpstream } from './dial.ts';
import { Relay } from './relay.ts';
import { listen, RawPeer, rawUpstream, until } from './testbed.ts';
import { RelayTicker } from './ticker.ts';

const servers: (Server | RawServer)[] = [];
const sockets: Duplex[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Starts a server and answers its URL. */
async function serve(server: Server | RawServer, scheme = 'ws'): Promise<URL> {
  servers.push(server);
  server.on('connection', (socket: Duplex) => sockets.push(socket));
  return new URL(`${scheme}://127.0.0.1:${await listen(server as Server)}/v1/realtime?model=x`);
}

async function dial(url: URL, options: Partial<DialOptions> = {}): Promise<DialResult> {
  const result = await dialUpstream({ url, timeoutMs: 5_000, ...options });
  if (result.ok) sockets.push(result.peer.socket);
  return result;
}

async function failure(url: URL, options: Partial<DialOptions> = {}) {
  const result = await dial(url, options);
  if (result.ok) throw new Error('connected');
  return result.failure;
}

/** An upstream that answers the handshake with these lines. */
function answering(...lines: string[]): Promise<URL> {
  return serve(
    createRawServer(socket => {
      socket.on('error', () => undefined);
      socket.once('data', request => {
        const key = /sec-websocket-key: (.*)\r/i.exec(request.toString())![1]!;
        socket.write(`${lines.join('\r\n').replace('$accept', acceptKey(key))}\r\n\r\n`);
      });
    }),
  );
}

const switching = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];

describe('dialUpstream', () => {
  it('sends the handshake with our headers and answers the request id', async () => {
    const server = createServer();
    const url = await serve(server);
    const asked = new Promise<{ url?: string; headers: Record<string, unknown> }>(resolve => {
      server.on('upgrade', (request, socket) => {
        resolve(request);
        const accept = acceptKey(request.headers['sec-websocket-key'] ?? '');
        const id = 'x-request-id: req_1';
        socket.write([...switching, `Sec-WebSocket-Accept: ${accept}`, id, '', ''].join('\r\n'));
      });
    });
    const result = await dial(url, { headers: { 'api-key': 'secret' } });
    expect(result).toMatchObject({ ok: true, requestId: 'req_1' });
    const request = await asked;
    expect(request.url).toBe('/v1/realtime?model=x');
    expect(request.headers).toMatchObject({
      'api-key': 'secret',
      host: url.host,
      'sec-websocket-version': '13',
    });
    expect(request.headers['sec-websocket-extensions']).toBeUndefined();
  });

  it('reads nothing until the relay does, then everything in order', async () => {
    const upstream = await rawUpstream();
    servers.push(upstream.server);
    const [result, peer] = await Promise.all([dial(upstream.url), upstream.peer]);
    if (!result.ok) throw new Error(result.failure.detail);
    const sent = Buffer.alloc(3_000_000, 'abcdefg');
    peer.socket.write(sent);
    await new Promise(resolve => setImmediate(resolve));
    expect(result.peer.socket.readableLength).toBe(0);
    const got: Buffer[] = [result.peer.head ?? Buffer.alloc(0)];
    result.peer.read!(chunk => got.push(Buffer.from(chunk)));
    result.peer.socket.resume();
    await until(() => Buffer.concat(got).length === sent.length, 'bytes');
    expect(Buffer.concat(got).equals(sent)).toBe(true);
  });

  it('delivers bytes that came with the handshake', async () => {
    const url = await answering(...switching, 'Sec-WebSocket-Accept: $accept', '', 'early');
    const result = await dial(url);
    if (!result.ok) throw new Error(result.failure.detail);
    expect(result.peer.head!.toString()).toBe('early\r\n\r\n');
  });

  it('connects over TLS, and only to a certificate it trusts', async () => {
    const { certPem, keyPem } = await createCertificate();
    const server = createSecureServer({ cert: certPem, key: keyPem });
    const accepting = new WebSocketServer({ server });
    accepting.on('connection', socket => socket.send('hello'));
    const url = await serve(server, 'wss');
    expect((await failure(url)).kind).toBe('unreachable');
    const result = await dial(url, { ca: certPem });
    if (!result.ok) throw new Error(result.failure.detail);
    const peer = new RawPeer(result.peer.socket, true, result.peer.head);
    result.peer.socket.resume();
    expect(await peer.nextText()).toBe('hello');
  });

  it('survives a reset between the 101 and the relay, which finds the upstream lost', async () => {
    const { certPem, keyPem } = await createCertificate();
    const server = createSecureServer({ cert: certPem, key: keyPem });
    const raw: Socket[] = [];
    server.on('connection', socket => raw.push(socket as Socket));
    new WebSocketServer({ server });
    const result = await dial(await serve(server, 'wss'), { ca: certPem });
    if (!result.ok) throw new Error(result.failure.detail);
    const { peer } = result;
    raw[0]!.resetAndDestroy();
    await until(() => peer.socket.closed, 'the loss');
    const client = new PassThrough();
    sockets.push(client);
    const ticker = new RelayTicker();
    const relay = new Relay({ client: { socket: client }, upstream: peer, ticker });
    relay.start();
    expect(relay.closing).toBe(true);
    client.destroy();
    expect(await relay.closed).toMatchObject({ initiator: 'upstream', cause: 'lost' });
  });

  for (const status of [401, 429, 500, 503]) {
    it(`reports a refusal with ${status}`, async () => {
      const server = createServer((_request, response) => {
        response.writeHead(status, { 'retry-after': '7', 'apim-request-id': 'apim_1' });
        response.end('internal details');
      });
      expect(await failure(await serve(server))).toEqual({
        kind: 'refused',
        detail: `status ${status}`,
        answer: {
          status,
          headers: expect.objectContaining({ 'retry-after': '7' }),
          body: 'internal details',
        },
        requestId: 'apim_1',
      });
    });
  }

  it.each([
    ['its first 16 KiB', 'x'.repeat(50_000), 16 * 1024],
    ['what came of it in a second', null, 4],
  ])('reads of a refusal %s', async (_, body, length) => {
    const server = createServer((_request, response) => {
      response.writeHead(503);
      if (body === null) response.write('slow');
      else response.end(body);
    });
    const { answer } = await failure(await serve(server), { timeoutMs: 5_000 });
    expect(answer?.body).toHaveLength(length);
  });

  it('reports an upstream that cannot be reached', async () => {
    const server = createServer();
    const url = await serve(server);
    await new Promise(resolve => server.close(resolve));
    expect(await failure(url)).toEqual({ kind: 'unreachable', detail: 'ECONNREFUSED' });
  });

  it('gives up on an upstream that accepts and never answers', async () => {
    const url = await serve(createRawServer(socket => socket.resume()));
    expect(await failure(url, { timeoutMs: 50 })).toEqual({ kind: 'timeout', detail: 'timeout' });
    await until(() => sockets.every(socket => socket.destroyed || socket.readableEnded), 'close');
  });

  for (const [how, kill] of [
    ['ends', (socket: Duplex) => socket.end()],
    ['dies in the middle of its answer', (socket: Duplex) => socket.end('HTTP/1.1 101 Swi')],
  ] as const) {
    it(`reports an upstream that ${how} before it is open`, async () => {
      const server = createRawServer(socket => {
        socket.on('error', () => undefined);
        socket.once('data', () => kill(socket));
      });
      expect((await failure(await serve(server))).kind).toBe('died');
    });
  }

  for (const [what, ...lines] of [
    ['accept key', ...switching, 'Sec-WebSocket-Accept: wrong'],
    ['upgrade', switching[0]!, 'Upgrade: h2c', 'Connection: Upgrade'],
    ['extension', ...switching, 'Sec-WebSocket-Accept: $accept', 'Sec-WebSocket-Extensions: x'],
    ['subprotocol', ...switching, 'Sec-WebSocket-Accept: $accept', 'Sec-WebSocket-Protocol: x'],
  ]) {
    it(`refuses a 101 with a wrong ${what}`, async () => {
      const fault = await failure(await answering(...lines));
      expect(fault).toMatchObject({ kind: 'malformed', detail: what });
    });
  }

  it('can be aborted, before and during', async () => {
    const url = await serve(createRawServer());
    expect((await failure(url, { signal: AbortSignal.abort() })).kind).toBe('aborted');
    const controller = new AbortController();
    const waiting = failure(url, { signal: controller.signal });
    await until(() => sockets.length > 0, 'connection');
    controller.abort();
    expect((await waiting).kind).toBe('aborted');
  });
});
