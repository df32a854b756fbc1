/** Slow readers, silent peers, broken rules: what happens at the relay's bounds. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import { defaultLimits } from './limits.ts';
import { type Bed, type BedOptions, rawFrame, startBed, until, within } from './testbed.ts';

let bed: Bed;
afterEach(() => bed.stop());

async function start(options: BedOptions = {}): Promise<Bed> {
  bed = await startBed(options);
  return bed;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const MIB = 1024 * 1024;

/** Bytes held by this process after a collection. */
function heldBytes(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const m = { masked: true };
const violations: [string, number, Buffer][] = [
  ['reserved bits', 1002, rawFrame(1, 'a', { ...m, rsv: 4 })],
  ['unmasked client frame', 1002, rawFrame(1, 'a')],
  ['bad opcode', 1002, rawFrame(5, 'a', m)],
  ['control frame > 125 bytes', 1002, rawFrame(9, 'a'.repeat(126), m)],
  ['continuation without start', 1002, rawFrame(0, 'a', m)],
  ['invalid UTF-8 in a decoded payload', 1007, rawFrame(1, Buffer.from([0x7b, 0xff]), m)],
  ['10 GB announced', 1009, rawFrame(1, '', { ...m, length: 10 * 2 ** 30 })],
];

describe('broken rules', () => {
  for (const [name, code, bytes] of violations) {
    it(`closes a client with ${code}: ${name}`, async () => {
      const { client, upstream } = await start({ onClientEvent: () => undefined });
      client.text('before');
      client.socket.write(bytes);
      expect((await client.nextClose()).code).toBe(code);
      expect(await upstream.nextText()).toBe('before');
      await until(() => upstream.frames.at(-1)?.opcode === 8, 'close');
      expect(upstream.frames.at(-1)!.payload.readUInt16BE(0)).toBe(1001);
      upstream.close(1001);
      expect(await within(bed.relay.closed, 'outcome')).toMatchObject({
        initiator: 'client',
        cause: 'violation',
        clientCode: code,
      });
    });
  }

  it('does not let a broken upstream look like the client’s fault', async () => {
    const { client, upstream } = await start();
    upstream.socket.write(rawFrame(1, 'a', { masked: true }));
    expect(JSON.parse(await client.nextText()).error.code).toBe('upstream_failed');
    expect((await client.nextClose()).code).toBe(1011);
    expect((await upstream.nextClose()).code).toBe(1002);
  });

  it('keeps memory flat while a client pours into a refused message', async () => {
    const { client } = await start({ limits: { closeTimeoutMs: 2_000 } });
    const before = heldBytes();
    client.socket.write(rawFrame(2, '', { ...m, length: 10 * 2 ** 30 }));
    expect((await client.nextClose()).code).toBe(1009);
    const flood = Buffer.alloc(MIB);
    for (let i = 0; i < 64 && !client.ended; i++) {
      await new Promise<void>(resolve => client.socket.write(flood, () => resolve()));
    }
    expect(heldBytes() - before).toBeLessThan(8 * MIB);
  });
});

describe('slow readers', () => {
  /** Sends frames until the relay stops reading, or all were taken. */
  async function flood(from: 'client' | 'upstream', totalBytes: number): Promise<number> {
    const peer = bed[from];
    let sentBytes = 0;
    const frame = rawFrame(2, Buffer.alloc(64 * 1024), { masked: from === 'client' });
    while (sentBytes < totalBytes && !peer.ended) {
      sentBytes += frame.length;
      if (peer.socket.write(frame)) continue;
      const drained = new Promise<void>(resolve => peer.socket.once('drain', resolve));
      let timer: NodeJS.Timeout | undefined;
      const stuck = new Promise<string>(resolve => {
        timer = setTimeout(() => resolve('stuck'), 300);
      });
      const result = await Promise.race([drained, stuck]);
      clearTimeout(timer);
      if (result === 'stuck') break;
    }
    return sentBytes;
  }

  it('pauses the source of a reader that does not read, and goes on when it does', async () => {
    const { client, upstream, relay } = await start();
    client.socket.pause();
    const before = heldBytes();
    const sentBytes = await flood('upstream', 256 * MIB);
    expect(sentBytes).toBeLessThan(256 * MIB);
    expect(relay.counters.upstreamToClient.pauses).toBeGreaterThan(0);
    // What the relay holds is bounded; the rest is in the kernel's buffers and with the sender.
    expect(heldBytes() - before).toBeLessThan(4 * MIB);
    client.socket.resume();
    upstream.text('the end');
    const frameCount = sentBytes / rawFrame(2, Buffer.alloc(64 * 1024)).length;
    await until(() => client.frames.length === frameCount + 1, 'everything');
    expect(client.frames.at(-1)!.payload.toString()).toBe('the end');
  });

  for (const [reader, source, code] of [
    ['client', 'upstream', 1013],
    ['upstream', 'client', 1011],
  ] as const) {
    it(`closes a stalled ${reader} with 1013`, async () => {
      const limits = { stallAfterMs: 150, closeTimeoutMs: 100 };
      const { relay } = await start({ limits });
      bed[reader].socket.pause();
      await flood(source, 64 * MIB);
      expect(await within(relay.closed, 'outcome')).toMatchObject({
        initiator: reader,
        cause: 'stalled',
        clientCode: code,
        [`${reader}Code`]: 1013,
      });
    });
  }

  it('does not take a source it does not read for dead', async () => {
    const limits = { deadAfterMs: 1_000, stallAfterMs: 60_000, pingIntervalMs: 20 };
    const { client, upstream, relay } = await start({ limits });
    client.socket.pause();
    await flood('upstream', 64 * MIB);
    const pong = setInterval(() => client.send(10), 50);
    const fromMs = bed.ticker.nowMs;
    await until(() => bed.ticker.nowMs - fromMs > 2_500, 'time');
    clearInterval(pong);
    expect(relay.closing).toBe(false);
    expect(upstream.ended).toBe(false);
  });
});

describe('silence', () => {
  const limits = { pingIntervalMs: 50, deadAfterMs: 300, closeTimeoutMs: 100 };

  /** Any byte counts: a pong or not. */
  function talk(peer: Bed['client'], opcode: number): NodeJS.Timeout {
    return setInterval(() => peer.send(opcode, 'x'), 50);
  }

  it('ends a session whose client is silent', async () => {
    const { upstream, relay } = await start({ limits });
    const talking = talk(upstream, 1);
    const outcome = await within(relay.closed, 'outcome').finally(() => clearInterval(talking));
    expect(outcome).toMatchObject({ initiator: 'client', cause: 'silent', clientCode: 1006 });
  });

  it('ends a session whose upstream is silent, and says so', async () => {
    const { client, relay } = await start({ limits });
    const talking = talk(client, 10);
    const outcome = await within(relay.closed, 'outcome').finally(() => clearInterval(talking));
    expect(outcome).toMatchObject({ initiator: 'upstream', cause: 'silent', clientCode: 1011 });
    const last = client.frames.filter(frame => frame.opcode !== 9);
    expect(last.map(frame => frame.opcode)).toEqual([1, 8]);
  });

  it('keeps a session that answers its pings', async () => {
    const { client, upstream, relay, ticker } = await start({ limits });
    const talking = [talk(client, 10), talk(upstream, 10)];
    const fromMs = ticker.nowMs;
    await until(() => ticker.nowMs - fromMs > 1_000, 'time');
    for (const timer of talking) clearInterval(timer);
    expect(relay.closing).toBe(false);
    expect(relay.counters.lastActivityMs).toBeGreaterThan(500);
  });
});

describe('a client that sends too much', () => {
  const limits = { clientBytesPerSecond: 200_000 };

  it.each([
    ['bytes', 60_000, 20],
    ['messages', 100, 1_600],
  ])('is read as fast as it may send %s, and loses nothing', async (_what, length, count) => {
    const { client, upstream, relay, ticker } = await start({ limits });
    const startedMs = ticker.nowMs;
    const texts = Array.from({ length: count }, (_, at) => String(at).padStart(length, 'x'));
    for (const text of texts) client.text(text);
    for (const text of texts) expect(await upstream.nextText()).toBe(text);
    // Four seconds' worth came at once; the rest waited.
    expect(ticker.nowMs - startedMs).toBeGreaterThan(1_500);
    expect(relay.counters.clientToUpstream.holds).toBeGreaterThan(0);
    client.text('after');
    expect(await upstream.nextText()).toBe('after');
  });

  it('is heard again when the session ends, and is not taken for silent', async () => {
    const { client, upstream, relay } = await start({ limits: { ...limits, deadAfterMs: 300 } });
    client.text('x'.repeat(1_400_000));
    await until(() => relay.counters.clientToUpstream.holds > 0, 'hold');
    upstream.close(1000);
    expect((await client.nextClose()).code).toBe(1000);
    client.close(1000);
    expect(await within(relay.closed, 'outcome')).toMatchObject({ initiator: 'upstream' });
  });
});

describe('long messages of a client', () => {
  const limits = { maxTextBytes: 100_000, maxLongBytesPerMinute: 500_000, maxTapBytes: 100_000 };
  const ways: [string, BedOptions['guard']][] = [
    ['as they come', {}],
    ['message by message', { filterClientMessage: text => ({ forward: text }) }],
  ];
  /** `sizeBytes` long. */
  function message(type: string, sizeBytes: number): string {
    const [head, tail] = [`{"type":"${type}","item":"`, '"}'];
    return head + 'x'.repeat(sizeBytes - head.length - tail.length) + tail;
  }

  for (const [way, guard] of ways) {
    it(`are refused beyond the bound, but for media and audio, ${way}`, async () => {
      const { client, upstream } = await start({ limits, guard, onClientEvent: () => undefined });
      for (const [type, sizeBytes] of [
        ['session.update', limits.maxTextBytes],
        ['conversation.item.create', limits.maxLongBytesPerMinute],
        ['input_audio_buffer.append', 2 * limits.maxLongBytesPerMinute],
      ] as const) {
        client.text(message(type, sizeBytes));
        expect(await upstream.nextText()).toBe(message(type, sizeBytes));
      }
      client.text(message('session.update', limits.maxTextBytes + 1));
      expect(await client.nextClose()).toEqual({
        code: 1009,
        reason: 'message too long for its type',
      });
    });

    it(`are bounded per minute together, ${way}`, async () => {
      const { client, upstream } = await start({ limits, guard, onClientEvent: () => undefined });
      const image = message('conversation.item.create', limits.maxLongBytesPerMinute / 2);
      for (let sent = 0; sent < 2; sent++) {
        client.text(image);
        expect(await upstream.nextText()).toBe(image);
      }
      client.text(message('conversation.item.create', limits.maxTextBytes));
      await upstream.nextText();
      client.text(image);
      expect((await client.nextClose()).code).toBe(1008);
    });
  }

  it('have 1 MiB, and 32 MiB a minute for items, where nothing else is set', async () => {
    expect(defaultLimits.maxLongBytesPerMinute).toBe(32 * MIB);
    const { client, upstream } = await start();
    client.text(message('session.update', MIB));
    expect((await upstream.nextText()).length).toBe(MIB);
    client.text(message('session.update', MIB + 1));
    expect((await client.nextClose()).code).toBe(1009);
  });

  it('are refused where they are too long to be parsed', async () => {
    const { client, upstream } = await start({
      limits: { ...limits, maxParsedBytes: 2 * limits.maxTextBytes },
      guard: { rewriteClientMessage: text => [text] },
    });
    const longest = message('response.create', 2 * limits.maxTextBytes);
    client.text(longest);
    expect(await upstream.nextText()).toBe(longest);
    client.text(message('response.create', 2 * limits.maxTextBytes + 1));
    expect(await client.nextClose()).toEqual({ code: 1009, reason: 'message too long' });
  });

  it('are counted in fragments of a byte, and where they are binary', async () => {
    const { client } = await start({ limits: { maxTextBytes: 300 } });
    client.send(2, '', { fin: false });
    for (let sent = 0; sent <= 300; sent++) client.send(0, 'x', { fin: false });
    expect((await client.nextClose()).code).toBe(1009);
  });

  it('are no matter from the upstream', async () => {
    const { client, upstream } = await start({ limits });
    const answer = message('conversation.item.retrieved', 10 * limits.maxTextBytes);
    upstream.text(answer);
    expect(await client.nextText()).toBe(answer);
  });
});
