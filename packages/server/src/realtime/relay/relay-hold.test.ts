import { afterEach, describe, expect, it } from 'vitest';
import { type Bed, rawFrame, startBed, within } from './testbed.ts';

let bed: Bed;
afterEach(() => bed.stop());

const text = (value: string) => rawFrame(1, value, { masked: true });
const CLOSE = rawFrame(8, Buffer.from([0x03, 0xe8]), { masked: true });

describe.each([
  ['as it comes', {}],
  ['message by message', { rewriteClientMessage: (message: string) => [message] }],
])('a client that is held, %s', (_, guard) => {
  const start = async () => {
    bed = await startBed({
      guard,
      limits: { closeTimeoutMs: 60_000 },
      onClientEvent: message => {
        if (message === 'wait') bed.relay.hold();
      },
    });
    return bed;
  };

  it('has nothing of the same chunk forwarded until it goes on, all in order', async () => {
    const { client, upstream, relay } = await start();
    client.socket.write(Buffer.concat(['a', 'wait', 'b', 'wait', 'c'].map(text)));
    expect(await upstream.nextText()).toBe('a');
    expect(await upstream.nextText()).toBe('wait');
    upstream.text('meanwhile');
    expect(await client.nextText()).toBe('meanwhile');
    client.socket.write(text('d'));
    expect(relay.counters.clientToUpstream.messages).toBe(2);
    relay.resume();
    expect(await upstream.nextText()).toBe('b');
    expect(await upstream.nextText()).toBe('wait');
    expect(relay.counters.clientToUpstream.messages).toBe(4);
    relay.resume();
    expect(await upstream.nextText()).toBe('c');
    expect(await upstream.nextText()).toBe('d');
  });

  it('is closed in order where its own close frame waits', async () => {
    const { client, upstream, relay } = await start();
    client.socket.write(Buffer.concat([text('wait'), text('late'), CLOSE]));
    expect(await upstream.nextText()).toBe('wait');
    relay.close(1008, 'budget');
    expect(await client.nextClose()).toEqual({ code: 1008, reason: 'budget' });
    expect((await upstream.nextClose()).code).toBe(1000);
    upstream.close(1000);
    expect(await within(relay.closed, 'outcome')).toMatchObject({ initiator: 'server' });
  });
});
