import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { acceptUpgrade, handshakeFault, selectProtocol } from './accept.ts';
import { rejectSession } from './reject.ts';
import { listen, rawClient, until, within } from './testbed.ts';

describe('selectProtocol', () => {
  it('never echoes a key', () => {
    const key = 'openai-insecure-api-key.sk-secret';
    const beta = 'openai-beta.realtime-v1';
    for (const speaksBeta of [true, false]) {
      const select = (header: string) => selectProtocol(header, speaksBeta);
      expect(select(key)).toBeUndefined();
      expect(select('openai-ephemeral-token.ek_secret, ek_secret')).toBeUndefined();
      expect(select(`${key}, realtime`)).toBe('realtime');
      expect(select(`realtime,${key},${beta}`)).toBe('realtime');
      expect(select(`${key}, ${beta}`)).toBe(speaksBeta ? beta : undefined);
    }
  });

  it('chooses nothing where nothing known is offered', () => {
    for (const offered of [undefined, '', ',', 'chat', 'Realtime', 'realtime x', 'realtime\n']) {
      expect(selectProtocol(offered, true)).toBe(offered === 'realtime\n' ? 'realtime' : undefined);
    }
  });
});

describe('handshakeFault', () => {
  const right = {
    upgrade: 'WebSocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  const fault = (headers: object, method = 'GET') =>
    handshakeFault({ method, headers } as IncomingMessage)?.status ?? null;

  it('judges requests', () => {
    expect(fault(right)).toBeNull();
    expect(fault(right, 'POST')).toBe(405);
    expect(fault({ ...right, upgrade: 'h2c' })).toBe(400);
    expect(fault({ ...right, 'sec-websocket-version': '8' })).toBe(426);
    expect(fault({ ...right, 'sec-websocket-key': 'short' })).toBe(400);
    expect(fault({ ...right, 'sec-websocket-key': undefined })).toBe(400);
  });
});

/** Serves one upgrade with `serve` and answers its port. */
async function serving(serve: (request: IncomingMessage, socket: Duplex, head: Buffer) => void) {
  const server = createServer();
  server.on('upgrade', (request, socket, head) => {
    server.close();
    serve(request, socket, head);
  });
  return listen(server);
}

describe('acceptUpgrade', () => {
  it('opens a connection that ws accepts, without extensions', async () => {
    const port = await serving((request, socket, head) => {
      expect(handshakeFault(request)).toBeNull();
      acceptUpgrade({ request, socket, head, headers: { 'x-request-id': 'r1' } });
    });
    const protocols = ['realtime', 'openai-insecure-api-key.secret'];
    const client = new WebSocket(`ws://127.0.0.1:${port}`, protocols, { perMessageDeflate: true });
    const answer = new Promise<IncomingMessage>(resolve => client.once('upgrade', resolve));
    await within(new Promise(resolve => client.once('open', resolve)), 'open');
    expect([client.protocol, client.extensions]).toEqual(['realtime', '']);
    expect((await answer).headers['x-request-id']).toBe('r1');
    client.terminate();
  });
});

describe('an accepted socket', () => {
  it('may be lost before it is relayed, which the next to look finds out', async () => {
    let accepted: Duplex | undefined;
    const port = await serving((request, socket, head) => {
      accepted = acceptUpgrade({ request, socket, head }).socket;
    });
    const client = await rawClient(port);
    (client.socket as Socket).resetAndDestroy();
    await until(() => accepted!.closed, 'the loss');
    await rejectSession({ client: { socket: accepted! }, events: [], code: 1011, reason: '' });
  });
});

describe('rejectSession', () => {
  it('sends the events, then the close, and waits for the client', async () => {
    let done: Promise<void> | undefined;
    const port = await serving((request, socket, head) => {
      const client = acceptUpgrade({ request, socket, head });
      done = rejectSession({
        client,
        events: ['{"type":"error"}'],
        code: 1006,
        reason: 'no model',
      });
    });
    const client = await rawClient(port);
    client.text('{"type":"session.update"}');
    expect(await client.nextText()).toBe('{"type":"error"}');
    expect(await client.nextClose()).toEqual({ code: 1011, reason: 'no model' });
    await within(done!, 'end');
  });

  it('does not wait for ever', async () => {
    let done: Promise<void> | undefined;
    const port = await serving((request, socket, head) => {
      const client = acceptUpgrade({ request, socket, head });
      const options = { events: [], code: 1013, reason: '', closeTimeoutMs: 20 };
      done = rejectSession({ client, ...options });
    });
    const client = await rawClient(port);
    client.socket.removeAllListeners('end');
    await client.nextClose();
    await within(done!, 'end');
    client.socket.destroy();
  });
});
