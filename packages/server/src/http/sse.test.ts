import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSse, SSE_LIMITS, type SseLimits, type SseStream } from './sse.ts';
import { createTestServer, eventually, exchange, type TestServer } from './testing.ts';

let server: TestServer;
let port: number;
let limits: Partial<SseLimits>;
let opened: SseStream[];
let work: (stream: SseStream) => Promise<void>;
const sockets: Socket[] = [];

beforeEach(async () => {
  limits = {};
  opened = [];
  server = await createTestServer();
  server.http.app.get('/events', { config: { policy: 'open' } }, async (_request, reply) => {
    const stream = openSse(reply, { ...SSE_LIMITS, ...limits });
    opened.push(stream);
    await work(stream);
    stream.end();
    return reply;
  });
  port = await server.listen();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
});

const GET = 'GET /events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
const aborted = (signal: AbortSignal) =>
  new Promise<void>(resolve => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** A reader that asks and then reads nothing. */
function deafReader(): Socket {
  const socket = connect(port, '127.0.0.1', () => void socket.write(GET));
  socket.pause();
  socket.on('error', () => {});
  sockets.push(socket);
  return socket;
}

describe('an event stream', () => {
  it('keeps proxies from buffering, and our own headers', async () => {
    work = async stream => void stream.send('data: 1\n\n');
    const answer = await exchange(port, GET);
    const [head = '', body] = answer.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1.1 200/);
    expect(head).toMatch(/content-type: text\/event-stream/i);
    expect(head).toMatch(/cache-control: no-cache, no-transform/i);
    expect(head).toMatch(/x-accel-buffering: no/i);
    expect(head).toMatch(/x-request-id: /i);
    expect(head).toMatch(/content-security-policy: /i);
    expect(body).toContain('retry: 2000\n\n');
    expect(answer).toContain('data: 1\n\n');
  });

  it('answers requests that have no socket, as tests make them', async () => {
    work = async stream => void stream.send('data: 1\n\n');
    const answer = await server.http.app.inject({ url: '/events', headers: { host: 'x' } });
    expect(answer.body).toBe('retry: 2000\n\ndata: 1\n\n');
  });

  it('sends heartbeats while nothing happens', async () => {
    limits = { heartbeatMs: 20 };
    work = stream => aborted(stream.signal);
    const answer = await exchange(port, GET, { until: ': ka\n\n' });
    expect(answer).not.toContain('\ndata: ');
  });

  it('ends by itself in time, after whole events', async () => {
    limits = { lifetimeMs: 50 };
    work = async stream => {
      await aborted(stream.signal);
      stream.send('data: last\n\n');
    };
    const answer = await exchange(port, GET);
    expect(answer).toMatch(/data: last\n\n\r\n0\r\n\r\n$/);
  });

  it('ends before an ingress would cut it', () => {
    const { lifetimeMs, stallMs, heartbeatMs } = SSE_LIMITS;
    expect(lifetimeMs + stallMs).toBeLessThan(240_000);
    expect(heartbeatMs).toBe(15_000);
  });

  it('cuts off a stalled reader, and holds a bounded number of bytes meanwhile', async () => {
    limits = { stallMs: 100 };
    const event = `data: ${'x'.repeat(16 * 1024)}\n\n`;
    let sentBytes = 0;
    let waits = 0;
    work = async stream => {
      while (!stream.signal.aborted) {
        const full = stream.send(event);
        sentBytes += event.length;
        if (full === undefined) continue;
        waits += 1;
        await full;
      }
    };
    deafReader();
    await eventually(() => opened[0]?.signal.aborted === true);
    expect(waits).toBeGreaterThan(0);
    // What the kernel's buffers took, and one event.
    expect(sentBytes).toBeLessThan(32 * 1024 * 1024);
  });

  it('notices that its reader has left, and then sends nothing', async () => {
    work = async stream => {
      stream.send('data: 1\n\n');
      await aborted(stream.signal);
      await new Promise(resolve => setImmediate(resolve));
      expect(stream.send('data: 2\n\n')).toBeUndefined();
    };
    const socket = deafReader();
    await eventually(() => opened.length === 1);
    expect(opened[0]?.signal.aborted).toBe(false);
    socket.destroy();
    await eventually(() => opened[0]?.signal.aborted === true);
  });
});
