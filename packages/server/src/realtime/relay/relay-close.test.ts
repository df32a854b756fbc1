import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { RelayOutcome } from './options.ts';
import { type Bed, type BedOptions, rawFrame, startBed, within } from './testbed.ts';

let bed: Bed;
afterEach(() => bed.stop());

async function start(options: BedOptions = {}): Promise<Bed> {
  bed = await startBed(options);
  return bed;
}

const outcome = (running: Bed): Promise<RelayOutcome> => within(running.relay.closed, 'outcome');
const reset = (socket: unknown) => (socket as Socket).resetAndDestroy();
const errorCode = (text: string) => JSON.parse(text).error.code;

describe('closing', () => {
  for (const code of [1000, 1001, 1011, 1012, 3000, 4000, 4999]) {
    it(`relays the client’s ${code} and answers it`, async () => {
      const { client, upstream } = await start();
      client.close(code, 'bye');
      expect(await upstream.nextClose()).toEqual({ code, reason: 'bye' });
      expect(await client.nextClose()).toEqual({ code, reason: 'bye' });
      upstream.close(code);
      expect(await outcome(bed)).toEqual({
        initiator: 'client',
        cause: 'close',
        clientCode: code,
        upstreamCode: code,
        reason: 'bye',
      });
    });
  }

  it('passes a close without code as one', async () => {
    const { client, upstream } = await start();
    client.send(8);
    expect(await upstream.nextClose()).toEqual({ code: 1005, reason: '' });
    expect(await client.nextClose()).toEqual({ code: 1005, reason: '' });
  });

  for (const [code, sent] of [
    [1000, 1000],
    [1001, 1001],
    [4000, 4000],
    [1004, 1011],
    [1006, 1011],
    [1015, 1011],
    [2500, 1011],
    [5000, 1011],
    [42, 1011],
  ] as const) {
    it(`relays the upstream’s ${code} as ${sent}`, async () => {
      const { client, upstream } = await start();
      upstream.text('last words');
      upstream.close(code, 'over');
      expect(await client.nextText()).toBe('last words');
      expect(await client.nextClose()).toEqual({ code: sent, reason: 'over' });
      expect((await upstream.nextClose()).code).toBe(sent);
      client.close(sent);
      expect(await outcome(bed)).toMatchObject({ initiator: 'upstream', clientCode: sent });
    });
  }

  for (const [name, payload, code] of [
    ['1005', Buffer.from([3, 237]), 1002],
    ['2999', Buffer.from([11, 183]), 1002],
    ['a reason that is not UTF-8', Buffer.from([3, 232, 0xff]), 1007],
  ] as const) {
    it(`refuses a client’s close with ${name} (${code})`, async () => {
      const { client, upstream } = await start();
      client.send(8, payload);
      expect((await client.nextClose()).code).toBe(code);
      expect((await upstream.nextClose()).code).toBe(1001);
      upstream.close(1001);
      expect(await outcome(bed)).toMatchObject({ initiator: 'client', cause: 'violation' });
    });
  }

  for (const [how, kill] of [
    ['ends', (b: Bed) => b.upstream.socket.end()],
    ['resets', (b: Bed) => reset(b.upstream.socket)],
  ] as const) {
    it(`tells the client when the upstream ${how}`, async () => {
      const { client } = await start();
      kill(bed);
      expect(errorCode(await client.nextText())).toBe('upstream_failed');
      expect(await client.nextClose()).toEqual({ code: 1011, reason: 'upstream failed' });
      client.close(1011);
      expect(await outcome(bed)).toMatchObject({
        initiator: 'upstream',
        cause: 'lost',
        clientCode: 1011,
        upstreamCode: 1006,
      });
    });
  }

  it('sends the close alone when the upstream dies between fragments', async () => {
    const { client, upstream } = await start({ limits: { wholeMessageBytes: 0 } });
    upstream.send(1, 'half a message', { fin: false });
    upstream.socket.end();
    await client.next();
    expect((await client.nextClose()).code).toBe(1011);
  });

  it('cuts the client off when the upstream dies inside a frame', async () => {
    const { client, upstream } = await start({ limits: { wholeMessageBytes: 0 } });
    upstream.socket.end(rawFrame(1, 'x'.repeat(100)).subarray(0, 50));
    await client.closed();
    expect(client.frames).toEqual([]);
    expect(await outcome(bed)).toMatchObject({ cause: 'lost' });
  });

  for (const [how, kill] of [
    ['ends', (b: Bed) => b.client.socket.end()],
    ['resets', (b: Bed) => reset(b.client.socket)],
  ] as const) {
    it(`closes the upstream with 1001 when the client ${how}`, async () => {
      const { upstream } = await start();
      kill(bed);
      expect((await upstream.nextClose()).code).toBe(1001);
      upstream.close(1001);
      expect(await outcome(bed)).toMatchObject({
        initiator: 'client',
        cause: 'lost',
        clientCode: 1006,
        upstreamCode: 1001,
      });
    });
  }

  it('ends a session from our side, telling both', async () => {
    const { client, upstream, relay } = await start();
    relay.close(1012, 'drain');
    expect(await client.nextClose()).toEqual({ code: 1012, reason: 'drain' });
    expect(await upstream.nextClose()).toEqual({ code: 1000, reason: 'drain' });
    expect(relay.closing).toBe(true);
    expect(relay.inject('{}')).toBe(false);
    client.close(1012);
    upstream.close(1000);
    expect(await outcome(bed)).toMatchObject({ initiator: 'server', clientCode: 1012 });
  });

  it('finishes the frame under way before it closes', async () => {
    const { client, upstream, relay } = await start({ limits: { wholeMessageBytes: 0 } });
    const frame = rawFrame(1, 'x'.repeat(1000));
    upstream.socket.write(frame.subarray(0, 500));
    const before = client.receivedBytes;
    while (client.receivedBytes === before) await new Promise(resolve => setImmediate(resolve));
    relay.close(1012, 'drain');
    upstream.socket.write(Buffer.concat([frame.subarray(500), rawFrame(1, 'too late')]));
    expect(await client.nextText()).toBe('x'.repeat(1000));
    expect((await client.nextClose()).code).toBe(1012);
  });

  it('never sends an illegal code of its own', async () => {
    const { client, relay } = await start();
    relay.close(1006, 'x'.repeat(500));
    const { code, reason } = await client.nextClose();
    expect([code, reason.length]).toEqual([1011, 123]);
  });

  it('does not wait for ever: sides that never answer are cut off', async () => {
    const { client, upstream, relay } = await start({ limits: { closeTimeoutMs: 50 } });
    relay.close(1012, 'drain');
    await client.nextClose();
    await upstream.nextClose();
    expect(await outcome(bed)).toMatchObject({ cause: 'server' });
    await client.closed();
    await upstream.closed();
  });

  it('waits less where this process restarts, whatever began the close', async () => {
    const limits = { closeTimeoutMs: 60_000, restartCloseTimeoutMs: 50 };
    const { client, relay } = await start({ limits });
    relay.close(1000, 'end');
    expect((await client.nextClose()).code).toBe(1000);
    relay.close(1012, 'drain');
    expect(await outcome(bed)).toMatchObject({ clientCode: 1000 });
  });

  it('says the outcome once, before the sockets are closed', async () => {
    const outcomes: RelayOutcome[] = [];
    const { client, upstream } = await start({ onClosing: o => outcomes.push(o) });
    client.close(1000);
    await upstream.nextClose();
    expect(outcomes).toHaveLength(1);
    upstream.close(1011);
    await outcome(bed);
    expect(outcomes).toEqual([await bed.relay.closed]);
  });

  it('still taps what the upstream says after the client’s close', async () => {
    const seen: string[] = [];
    const { client, upstream } = await start({ onServerEvent: text => seen.push(text) });
    client.close(1000);
    await upstream.nextClose();
    upstream.text('{"type":"response.done"}');
    upstream.close(1000);
    await outcome(bed);
    expect(seen).toEqual(['{"type":"response.done"}']);
  });

  for (const [pump, guard] of [
    ['direct', {}],
    ['guarded', { rewriteServerMessage: (text: string) => [text] }],
  ] as const) {
    it(`takes nothing of a side after that side’s close frame (${pump})`, async () => {
      const seen: string[] = [];
      const { client, upstream } = await start({ guard, onServerEvent: text => seen.push(text) });
      const frames = ['{"type":"before"}', null, '{"type":"after"}'];
      upstream.socket.write(
        Buffer.concat(frames.map(text => (text === null ? rawFrame(8) : rawFrame(1, text)))),
      );
      upstream.text('{"type":"later"}');
      expect(await client.nextText()).toBe('{"type":"before"}');
      expect((await client.nextClose()).code).toBe(1005);
      client.close(1000);
      await outcome(bed);
      expect(seen).toEqual(['{"type":"before"}']);
      expect(client.frames).toHaveLength(2);
    });
  }

  it('leaves nothing ticking', async () => {
    const { client, upstream, ticker } = await start();
    expect(ticker.size).toBe(1);
    client.close(1000);
    await upstream.nextClose();
    upstream.close(1000);
    await outcome(bed);
    expect(ticker.size).toBe(0);
  });
});
