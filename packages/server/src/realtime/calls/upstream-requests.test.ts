import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import type { Upstream } from '../../models/index.ts';
import { attachSideband } from './sideband.ts';
import { createUpstreamCall, hangUpUpstream } from './upstream-call.ts';

/** What each of our requests about a call carries upstream. */
const asked: { url: string | undefined; headers: IncomingHttpHeaders }[] = [];
const server = createServer((request, response) => {
  const { url, headers } = request;
  asked.push({ url, headers });
  request.resume();
  response.writeHead(404).end();
});

afterAll(() => new Promise<void>(resolve => void server.close(() => resolve())));

it('tells audio by the type of an event, not by words inside of it', async () => {
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  const audio = '{"type":"response.output_audio.delta","delta":"AAAA"}';
  const told = '{"type":"response.done","response":{"metadata":{"type":"response.audio.delta"}}}';
  sockets.on('connection', socket => {
    for (const text of [audio, told]) socket.send(text);
  });
  await once(sockets, 'listening');
  const { port } = sockets.address() as AddressInfo;
  const upstream = { wsUrl: () => `ws://127.0.0.1:${port}`, headers: async () => ({}) };
  const { signal } = new AbortController();
  const target = { upstream: upstream as unknown as Upstream, callId: 'c', requestId: 'r', signal };
  const heard = await new Promise(resolve => {
    void attachSideband(target, { onOpen() {}, onText: resolve, onEnd() {} });
  });
  expect(heard).toBe(told);
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
});

it('an id of ours, beside the credentials', async () => {
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve));
  const origin = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const upstream: Upstream = {
    provider: 'compatible',
    deployment: 'm',
    wsUrl: () => `ws://${origin}/sideband`,
    clientSecretsUrl: () => '',
    callsUrl: `http://${origin}/calls`,
    callUrl: () => `http://${origin}/hangup`,
    headers: async () => ({ 'api-key': 'k' }),
  };
  const offer = { sdp: 'v=0', session: {}, filtered: false, requestId: 'req_1' };
  await createUpstreamCall(upstream, offer).catch(() => {});
  await hangUpUpstream(upstream, 'rtc_1', 'req_2');
  const { signal } = new AbortController();
  await new Promise(resolve => {
    const target = { upstream, callId: 'rtc_1', requestId: 'req_3', signal };
    void attachSideband(target, { onOpen() {}, onText() {}, onEnd: resolve });
  });
  const seen = asked.map(({ url, headers }) => [
    url,
    headers['x-client-request-id'],
    headers['api-key'],
  ]);
  expect(seen).toEqual([
    ['/calls', 'req_1', 'k'],
    ['/hangup', 'req_2', 'k'],
    ['/sideband', 'req_3', 'k'],
  ]);
});
