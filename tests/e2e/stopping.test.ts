import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EventEnvelope, Session } from '@holdfast/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { loadConfig } from '../../packages/server/src/config/index.ts';
import { type Server, type Stack, startStack } from './harness/stacks.ts';

async function connect(server: Server): Promise<{ socket: WebSocket; id: string }> {
  const url = `${server.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`;
  const socket = new WebSocket(url);
  const id = await new Promise<string>((resolve, reject) => {
    socket.once('error', reject);
    socket.on('message', data => {
      const event = JSON.parse(String(data)) as { type: string; session: { id: string } };
      if (event.type === 'holdfast.session') resolve(event.session.id);
    });
  });
  return { socket, id };
}

describe('stopping', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack('production');
  });
  afterAll(() => stack.stop());

  const get = async <T>(path: string) => (await (await fetch(`${stack.url}${path}`)).json()) as T;
  const session = (id: string) => get<Session>(`/v1/sessions/${id}`);

  it('on SIGTERM lets sessions finish, closes the rest with 1012 and exits 0', async () => {
    const server = await stack.addServer({
      HOLDFAST_SHUTDOWN_ACCEPT: '1',
      HOLDFAST_SHUTDOWN_GRACE: '4',
    });
    const [finishing, staying] = [await connect(server), await connect(server)];
    const exit = server.process.stop();
    const ready = async () => (await fetch(`${server.url}/readyz`)).status;
    await expect.poll(ready).toBe(503);
    const accepted = await connect(server);
    finishing.socket.close(1000);
    const closed = Promise.all([once(staying.socket, 'close'), once(accepted.socket, 'close')]);
    expect((await closed).map(([code]) => code)).toEqual([1012, 1012]);
    expect(await exit).toBe(0);
    expect((await session(finishing.id)).state).toBe('ended');
    const { data } = await get<{ data: EventEnvelope[] }>(`/v1/sessions/${staying.id}/events`);
    const lost = data.find(event => event.type === 'session.disconnected');
    expect(lost?.data).toMatchObject({ reason: 'drain' });
    expect(server.process.lines.some(line => line.includes('"signal.received"'))).toBe(true);
  });

  it('ends in time with its log, whoever hangs: a client, a collector', async () => {
    const collector = createServer(() => {});
    collector.listen(0, '127.0.0.1');
    await once(collector, 'listening');
    const { port } = collector.address() as AddressInfo;
    try {
      const server = await stack.addServer({
        HOLDFAST_SHUTDOWN_GRACE: '1',
        HOLDFAST_SHUTDOWN_CLOSING: '4',
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
        HOLDFAST_TRACE_SAMPLE_RATIO: '1',
      });
      const { socket, id } = await connect(server);
      // It takes no close frame, and answers none.
      socket.pause();
      const startedMs = performance.now();
      expect(await server.process.stop()).toBe(0);
      expect(performance.now() - startedMs).toBeLessThan(5_500);
      const lines = server.process.lines.join('\n');
      for (const event of ['bridge.completed', 'session.disconnected', 'lifecycle.state']) {
        expect(lines).toContain(`"event":"${event}"`);
      }
      expect((await session(id)).close_reason).toBe('drain');
      socket.terminate();
    } finally {
      collector.closeAllConnections();
      collector.close();
    }
  });

  it('fits a grace period of 30 seconds by default', () => {
    const { server } = loadConfig({ OPENAI_API_KEY: 'k' }, {});
    const { shutdownAcceptMs, shutdownGraceMs, shutdownClosingMs } = server;
    expect(shutdownAcceptMs + shutdownGraceMs + shutdownClosingMs).toBeLessThan(30_000);
  });

  it('a killed replica’s sessions are given up by another, and their places are free', async () => {
    const server = await stack.addServer();
    const { id, socket } = await connect(server);
    const closed = once(socket, 'close');
    await server.process.kill();
    await closed;
    const state = () => session(id).then(({ state }) => state);
    await expect.poll(state, { timeout: 60_000, interval: 500 }).toBe('expired');
    const active = () => get<{ data: Session[] }>('/v1/sessions?active=true');
    await expect.poll(async () => (await active()).data.length, { timeout: 10_000 }).toBe(0);
  });

  it('what was acknowledged before a kill exists after it', async () => {
    const embedded = await startStack('embedded');
    try {
      const { id, socket } = await connect(embedded.servers[0]!);
      const one = async (): Promise<EventEnvelope[]> =>
        (
          (await (await fetch(`${embedded.url}/v1/sessions/${id}/events`)).json()) as {
            data: EventEnvelope[];
          }
        ).data;
      await expect.poll(async () => (await one()).length).toBeGreaterThanOrEqual(3);
      const before = await one();
      const [server] = embedded.servers;
      socket.on('error', () => {});
      await server!.process.kill();
      const { startServer, UPSTREAM_KEY } = await import('./harness/stacks.ts');
      const again = await startServer({
        OPENAI_BASE_URL: `${embedded.simulatorUrl}/v1`,
        OPENAI_API_KEY: UPSTREAM_KEY,
        HOLDFAST_DATA_DIR: server!.dataDir,
      });
      try {
        const after = (await (await fetch(`${again.url}/v1/sessions/${id}/events`)).json()) as {
          data: EventEnvelope[];
        };
        expect(after.data.slice(0, before.length)).toEqual(before);
      } finally {
        await again.process.stop();
      }
    } finally {
      await embedded.stop();
    }
  });
});
