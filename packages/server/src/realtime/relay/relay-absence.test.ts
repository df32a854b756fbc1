import { afterEach, describe, expect, it } from 'vitest';
import { BlockPool } from './block-pool.ts';
import type { Resumption } from './delivery.ts';
import { dialUpstream } from './dial.ts';
import type { SideEnd } from './options.ts';
import {
  type Bed,
  type BedOptions,
  connection,
  type RawPeer,
  rawFrame,
  rawUpstream,
  startBed,
  until,
} from './testbed.ts';

const MIB = 1024 * 1024;

let bed: Bed;
let pool: BlockPool;
let ends: SideEnd[];
let late: RawPeer[];
afterEach(async () => {
  for (const client of late) client.socket.destroy();
  bed.relay.close(1000, 'over');
  await bed.stop();
  expect(pool.takenBytes).toBe(0);
});

/** A relay that awaits its client. */
async function start(options: BedOptions = {}): Promise<Bed> {
  pool = new BlockPool(8 * MIB);
  ends = [];
  late = [];
  const mayAwait = (end: SideEnd) => ends.push(end) > 0;
  bed = await startBed({ keptIn: pool, mayAwait, ...options });
  return bed;
}

async function absent(): Promise<void> {
  bed.client.socket.destroy();
  await until(() => bed.relay.absent, 'absence');
}

/** The client is back; what it was told. */
async function attach(received: number | null) {
  const { client, peer } = await connection();
  late.push(client);
  let told: Resumption | undefined;
  await until(() => bed.relay.attachable, 'a moment to attach');
  bed.relay.attachClient(peer, received, resumption => {
    told = resumption;
    return ['welcome'];
  });
  expect(await textOf(client)).toBe('welcome');
  return { client, told };
}

/** The next message; pings and pongs are passed over. */
async function textOf(peer: RawPeer): Promise<string> {
  for (;;) {
    const frame = await peer.next();
    if (frame.opcode === 1) return frame.payload.toString();
    if (frame.opcode < 9) throw new Error(`no text but opcode ${frame.opcode}`);
  }
}

describe('a relay whose client is absent', () => {
  it('keeps what the upstream says, and goes on both ways', async () => {
    const { client, upstream } = await start();
    upstream.text('one');
    client.text('first');
    expect(await textOf(client)).toBe('one');
    expect(await upstream.nextText()).toBe('first');
    await absent();
    expect(ends).toEqual([{ cause: 'lost', code: 1006, reason: '' }]);
    for (const text of ['two', 'three']) upstream.text(text);
    await until(() => bed.relay.sentMessages === 3, 'messages');
    const back = await attach(1);
    expect(back.told).toEqual({ input: 1, output: 1, lost: 0, withheld: 0 });
    expect([await textOf(back.client), await textOf(back.client)]).toEqual(['two', 'three']);
    upstream.text('four');
    back.client.text('second');
    expect(await textOf(back.client)).toBe('four');
    expect(await upstream.nextText()).toBe('second');
  });

  it('withholds what a client that does not count may have had, and nothing else', async () => {
    const isOnce = (text: string) => text.startsWith('once');
    const { client, upstream } = await start({ isOnce });
    upstream.text('once, proven');
    expect(await textOf(client)).toBe('once, proven');
    client.send(10, (await proof(client)).payload);
    await until(() => bed.relay.counters.clientToUpstream.controlFrames === 1, 'pong');
    for (const text of ['once, in doubt', 'always, in doubt']) upstream.text(text);
    await textOf(client);
    await textOf(client);
    await absent();
    for (const text of ['once, kept', 'always, kept']) upstream.text(text);
    await until(() => bed.relay.sentMessages === 5, 'messages');
    const back = await attach(null);
    expect(back.told).toEqual({ input: 0, output: 1, lost: 0, withheld: 1 });
    const got = [await textOf(back.client), await textOf(back.client), await textOf(back.client)];
    expect(got).toEqual(['always, in doubt', 'once, kept', 'always, kept']);
  });

  /** The ping that asks for all that was sent so far. */
  async function proof(client: RawPeer) {
    for (;;) {
      const frame = await client.next();
      if (frame.opcode === 9) return frame;
    }
  }

  it.each([
    ['as it comes', 600 * 1024],
    ['whole', 100 * 1024],
  ])('finishes a message under way that passes %s', async (_, length) => {
    const { client, upstream } = await start();
    const long = rawFrame(1, 'x'.repeat(length));
    upstream.socket.write(long.subarray(0, length / 2));
    const half = () => bed.relay.counters.upstreamToClient.bytes === length / 2;
    await until(half, 'half of it');
    client.socket.destroy();
    await until(() => bed.relay.absent, 'absence');
    const back = await attach(0);
    upstream.socket.write(long.subarray(length / 2));
    upstream.text('next');
    expect((await textOf(back.client)).length).toBe(length);
    expect(await textOf(back.client)).toBe('next');
  });

  it('replaces the upstream that got half a message of the client', async () => {
    let replaced: SideEnd | undefined;
    const other = await rawUpstream();
    const { client, upstream, relay } = await start({
      mayReplace: end => {
        replaced = end;
        return true;
      },
    });
    const long = rawFrame(1, 'x'.repeat(MIB), { masked: true });
    client.socket.write(long.subarray(0, MIB / 2));
    await until(() => upstream.receivedBytes > 0, 'half of it');
    await absent();
    expect(replaced).toMatchObject({ cause: 'lost' });
    const dialled = await dialUpstream({ url: other.url, timeoutMs: 5_000 });
    if (!dialled.ok) throw new Error(dialled.failure.detail);
    expect(relay.replaceUpstream(dialled.peer, [])).toBe(true);
    expect(relay.replaceable).toBe(true);
    const back = await attach(0);
    expect(back.told).toMatchObject({ input: 0 });
    back.client.text('again, whole');
    expect(await (await other.peer).nextText()).toBe('again, whole');
    other.server.close();
    (await other.peer).socket.destroy();
  });

  it('puts nothing behind half a message of a connection that is there still', async () => {
    const other = await rawUpstream();
    const { client, upstream, relay } = await start({ mayReplace: () => true });
    client.socket.write(rawFrame(1, 'x'.repeat(MIB), { masked: true }).subarray(0, MIB / 2));
    await until(() => upstream.receivedBytes > 0, 'half of it');
    expect(relay.attachable).toBe(false);
    relay.makeRoom();
    expect(relay.absent).toBe(true);
    const back = await attach(0);
    const dialled = await dialUpstream({ url: other.url, timeoutMs: 5_000 });
    if (!dialled.ok) throw new Error(dialled.failure.detail);
    expect(relay.replaceUpstream(dialled.peer, [])).toBe(true);
    back.client.text('whole');
    expect(await (await other.peer).nextText()).toBe('whole');
    other.server.close();
    (await other.peer).socket.destroy();
  });

  it('ends where such an upstream cannot be replaced', async () => {
    const { client, upstream, relay } = await start();
    client.socket.write(rawFrame(1, 'x'.repeat(MIB), { masked: true }).subarray(0, MIB / 2));
    await until(() => upstream.receivedBytes > 0, 'half of it');
    client.socket.destroy();
    expect(await relay.closed).toMatchObject({ initiator: 'client', cause: 'lost' });
  });

  it.each([
    ['says nothing', 'silent', { deadAfterMs: 40, pingIntervalMs: 10_000 }],
    ['takes nothing', 'stalled', { stallAfterMs: 40, highWaterBytes: 1_024 }],
  ])('awaits one that %s any more', async (_, cause, limits) => {
    const { client, upstream } = await start({ limits });
    client.socket.pause();
    const text = 'y'.repeat(MIB);
    if (cause === 'stalled') for (let i = 0; i < 12; i += 1) upstream.text(text);
    else setInterval(() => upstream.send(9, 'alive'), 10).unref();
    await until(() => bed.relay.absent, 'absence');
    expect(ends).toMatchObject([{ cause }]);
    if (cause === 'silent') {
      client.socket.resume();
      await until(() => client.frames.some(({ opcode }) => opcode === 8), 'close');
      const close = client.frames.find(({ opcode }) => opcode === 8);
      // 1001 would be a goodbye.
      expect(close?.payload.readUInt16BE(0)).toBe(1013);
    }
    const back = await attach(null);
    back.client.text('here');
    expect(await textOf(upstream)).toBe('here');
  });

  it('tells when its room is nearly taken, and forgets the oldest when it is', async () => {
    let full = 0;
    const limits = { maxKeptBytes: 100_000 };
    const onFull = () => {
      full += 1;
    };
    const { upstream } = await start({ limits, onFull });
    await absent();
    for (let i = 0; i < 8; i += 1) upstream.text('z'.repeat(9_990));
    await until(() => bed.relay.sentMessages === 8, 'messages');
    expect(full).toBe(1);
    for (let i = 0; i < 8; i += 1) upstream.text('z'.repeat(9_990));
    await until(() => bed.relay.sentMessages === 16, 'messages');
    const { told } = await attach(0);
    expect(full).toBe(1);
    expect(told!.lost).toBe(told!.output);
    expect(told!.output).toBeGreaterThanOrEqual(6);
  });

  it('asks a client how far it is only while no other such ping is under way', async () => {
    const { client, upstream, relay } = await start();
    const pings = () => client.frames.filter(frame => frame.opcode === 9);
    for (let i = 0; i < 50; i += 1) {
      upstream.text(`${i}`);
      relay.acknowledgeNow();
    }
    await until(() => client.frames.length === 51, 'messages');
    expect(pings()).toHaveLength(1);
    client.send(10, pings()[0]!.payload);
    await until(() => pings().length === 2, 'the next ping');
    client.send(10, pings()[1]!.payload);
    await until(() => pool.takenBytes === 0, 'acknowledgement of all');
  });

  it('takes the place of a connection that is there still', async () => {
    const { client, upstream } = await start();
    const back = await attach(0);
    expect(await client.nextClose()).toMatchObject({ code: 4001 });
    client.text('too late');
    back.client.text('in time');
    expect(await upstream.nextText()).toBe('in time');
  });

  it('ends at once when it is closed', async () => {
    const { relay, upstream } = await start();
    await absent();
    upstream.text('kept');
    relay.close(1012, 'drain');
    expect(await upstream.nextClose()).toMatchObject({ code: 1000 });
    upstream.close(1000);
    expect(await relay.closed).toMatchObject({ initiator: 'server', clientCode: 1012 });
  });
});
