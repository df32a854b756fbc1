/** The relay between two TLS connections, whose sockets are read and written differently. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { type Certificate, createCertificate } from '../../../../../tools/services/certificate.ts';
import { acceptUpgrade } from './accept.ts';
import { dialUpstream } from './dial.ts';
import type { RelayOutcome } from './options.ts';
import { Relay } from './relay.ts';
import { listen, until, within } from './testbed.ts';
import { RelayTicker } from './ticker.ts';

let certificate: Certificate;
beforeAll(async () => {
  certificate = await createCertificate();
});
const closing: (() => void)[] = [];
afterAll(() => {
  for (const close of closing) close();
});

async function secureServer() {
  const server = createServer({ cert: certificate.certPem, key: certificate.keyPem });
  closing.push(() => server.close());
  return { server, port: await listen(server) };
}

/** An echo behind a relay; answers the relay's address and how its one session ends. */
async function echoBehindRelay() {
  const echo = await secureServer();
  new WebSocketServer({ server: echo.server }).on('connection', socket => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  const front = await secureServer();
  const ticker = new RelayTicker(10);
  const outcome = new Promise<RelayOutcome>((resolve, reject) => {
    front.server.on('upgrade', async (request, socket, head) => {
      const client = acceptUpgrade({ request, socket, head });
      const url = new URL(`wss://127.0.0.1:${echo.port}/`);
      const dialled = await dialUpstream({ url, timeoutMs: 5_000, ca: certificate.certPem });
      if (!dialled.ok) return reject(new Error(dialled.failure.detail));
      const limits = { maxTextBytes: 5_000_000 };
      const relay = new Relay({ client, upstream: dialled.peer, ticker, limits });
      relay.start();
      resolve(relay.closed);
    });
  });
  return { url: `wss://127.0.0.1:${front.port}/`, outcome };
}

describe('over TLS', () => {
  it('carries small and large messages in order, and the close', async () => {
    const { url, outcome } = await echoBehindRelay();
    const client = new WebSocket(url, { ca: certificate.certPem });
    const got: string[] = [];
    const sha = (data: unknown) => createHash('sha256').update(String(data)).digest('hex');
    client.on('message', data => got.push(sha(data)));
    await within(new Promise(resolve => client.once('open', resolve)), 'open');
    const sent = [1, 1_000, 65_536, 4_000_000, 10].map(length => 'x'.repeat(length));
    for (const text of sent) client.send(text);
    await until(() => got.length === sent.length, 'echoes');
    expect(got).toEqual(sent.map(sha));
    client.close(4001, 'done');
    const end = { initiator: 'client', clientCode: 4001, upstreamCode: 4001 };
    expect(await within(outcome, 'end')).toMatchObject(end);
  });
});
