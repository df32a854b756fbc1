import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { type Bed, type BedOptions, rawFrame, startBed, until } from './testbed.ts';

let bed: Bed;
afterEach(() => bed.stop());

async function start(options: BedOptions = {}): Promise<Bed> {
  bed = await startBed(options);
  return bed;
}

const append = (audio: string) => `{"type":"input_audio_buffer.append","audio":"${audio}"}`;
const delta = (audio: string) => `{"type":"response.output_audio.delta","delta":"${audio}"}`;

describe('Relay', () => {
  it('forwards both ways, byte for byte and in order', async () => {
    const { client, upstream } = await start();
    const sent = Array.from({ length: 200 }, (_, i) => append('A'.repeat(i * 37)));
    for (const text of sent) {
      client.text(text);
      upstream.text(text);
    }
    for (const text of sent) {
      expect(await upstream.nextText()).toBe(text);
      expect(await client.nextText()).toBe(text);
    }
  });

  it('keeps fragments apart, and control frames between them to itself', async () => {
    const { client, upstream, relay } = await start();
    client.send(1, 'one ', { fin: false });
    client.send(9, 'are you there');
    client.send(0, 'two ', { fin: false });
    client.send(10, 'unasked');
    client.send(0, 'three');
    expect(await client.next()).toMatchObject({
      opcode: 10,
      payload: Buffer.from('are you there'),
    });
    const got = [await upstream.next(), await upstream.next(), await upstream.next()];
    expect(got.map(f => [f.opcode, f.fin, f.payload.toString()])).toEqual([
      [1, false, 'one '],
      [0, false, 'two '],
      [0, true, 'three'],
    ]);
    expect(relay.counters.clientToUpstream).toMatchObject({ frames: 3, messages: 1 });
    expect(relay.counters.clientToUpstream.controlFrames).toBe(2);
  });

  it('answers the upstream’s pings, masked as a client must', async () => {
    const { upstream } = await start();
    upstream.send(9, 'p');
    expect(await upstream.next()).toMatchObject({ opcode: 10, payload: Buffer.from('p') });
  });

  it('pings both sides by itself and swallows their pongs', async () => {
    const { client, upstream, relay } = await start({ limits: { pingIntervalMs: 20 } });
    for (const peer of [client, upstream]) {
      expect((await peer.next()).opcode).toBe(9);
      peer.send(10);
    }
    await until(() => relay.counters.upstreamToClient.controlFrames > 0, 'pong');
    await until(() => relay.counters.clientToUpstream.controlFrames > 0, 'pong');
    const others = [...client.frames, ...upstream.frames].filter(frame => frame.opcode !== 9);
    expect(others).toEqual([]);
  });

  it('carries appends of 15 MiB', async () => {
    const { client, upstream, relay } = await start();
    const text = append('QUJD'.repeat((15 * 1024 * 1024) / 4));
    const sha = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex');
    client.text(text);
    expect(sha((await upstream.next()).payload)).toBe(sha(text));
    expect(relay.counters.clientToUpstream).toMatchObject({
      audioMessages: 1,
      audioBytes: text.length,
    });
  });

  it('tells events from audio, both ways', async () => {
    const seen: string[] = [];
    const { client, upstream, relay } = await start({
      onServerEvent: text => seen.push(`server ${text}`),
      onClientEvent: text => seen.push(`client ${text}`),
    });
    client.text(append('AAAA'));
    client.text('{"type": "input_audio_buffer.append", "audio": "AAAA"}');
    client.text('{"type":"response.create"}');
    upstream.text(delta('AAAA'));
    upstream.text('{"event_id":"event_1","type":"response.output_audio.delta","delta":"AAAA"}');
    upstream.text('{"type":"response.output_audio.done"}');
    await until(() => seen.length === 2, 'events');
    expect(seen.sort()).toEqual([
      'client {"type":"response.create"}',
      'server {"type":"response.output_audio.done"}',
    ]);
    const { clientToUpstream, upstreamToClient } = relay.counters;
    expect(clientToUpstream).toMatchObject({ audioMessages: 2, messages: 3 });
    expect(upstreamToClient).toMatchObject({ audioMessages: 2, messages: 3 });
  });

  it('hands an event to the tap after its bytes, in pieces or not', async () => {
    const seen: string[] = [];
    const { client, upstream } = await start({ onServerEvent: text => seen.push(text) });
    const text = '{"type":"conversation.item.done","text":"voilà, 音声"}';
    const frame = rawFrame(1, text);
    for (const byte of frame) {
      upstream.socket.write(Buffer.from([byte]));
      await new Promise(resolve => setImmediate(resolve));
    }
    expect(await client.nextText()).toBe(text);
    await until(() => seen.length === 1, 'event');
    expect(seen).toEqual([text]);
  });

  const sized = (sizeBytes: number) => `{"type":"x","y":"${'y'.repeat(sizeBytes - 19)}"}`;

  it.each([
    ['at once', [0.5]],
    ['in pieces', [0.0001, 0.3, 0.9]],
    ['in pieces after what is kept whole', [0.9, 0.95]],
  ])('reads messages too long to tap with their texts cut, %s', async (_, cuts) => {
    const seen: string[] = [];
    const { client, upstream, relay } = await start({
      onServerEvent: text => seen.push(text),
      limits: { maxTapBytes: 1_000, maxTapStringBytes: 100 },
    });
    const usage = { input_tokens: 5 };
    const long = {
      type: 'response.done',
      response: { id: 'r"\\', text: 'あ'.repeat(9_000), usage },
    };
    const payload = Buffer.from(JSON.stringify(long));
    let from = 0;
    for (const cut of cuts) {
      const to = Math.floor(payload.length * cut);
      upstream.send(from === 0 ? 1 : 0, payload.subarray(from, to), { fin: false });
      from = to;
    }
    upstream.send(0, payload.subarray(from));
    upstream.text(sized(1_000));
    await until(() => seen.length === 2, 'events');
    const text = 'あ'.repeat(34);
    expect(JSON.parse(seen[0]!)).toEqual({ ...long, response: { ...long.response, text } });
    expect(seen[1]).toBe(sized(1_000));
    const { untappedMessages, skimmedMessages } = relay.counters.upstreamToClient;
    expect([untappedMessages, skimmedMessages]).toEqual([0, 1]);
    await until(() => client.receivedBytes > payload.length + 1_000, 'what was forwarded');
  });

  it('passes messages untapped that stay too long, and binary ones, and counts them', async () => {
    const seen: string[] = [];
    const { client, upstream, relay } = await start({
      onServerEvent: text => seen.push(text),
      limits: { maxTapBytes: 1_000, maxTapStringBytes: 2_000 },
    });
    upstream.text(sized(1_001));
    upstream.send(2, 'binary');
    upstream.text(sized(1_000));
    await client.next();
    await client.next();
    await client.next();
    expect(seen.map(text => text.length)).toEqual([1_000]);
    expect(relay.counters.upstreamToClient.untappedMessages).toBe(2);
  });

  it('injects at message boundaries only', async () => {
    const { client, upstream, relay } = await start({ limits: { wholeMessageBytes: 0 } });
    upstream.send(1, 'first ', { fin: false });
    await client.next();
    expect(relay.inject('{"type":"holdfast.session"}')).toBe(true);
    upstream.send(0, 'second', { fin: false });
    await client.next();
    upstream.send(0, 'third');
    upstream.text('next');
    expect((await client.next()).payload.toString()).toBe('third');
    expect(await client.nextText()).toBe('{"type":"holdfast.session"}');
    expect(await client.nextText()).toBe('next');
  });

  it('lets own control frames stand between fragments, but not inside a frame', async () => {
    const limits = { pingIntervalMs: 20, wholeMessageBytes: 0 };
    const { client, upstream } = await start({ limits });
    const frame = rawFrame(1, 'x'.repeat(1000), { fin: false });
    const before = client.receivedBytes;
    upstream.socket.write(frame.subarray(0, 500));
    await until(() => client.receivedBytes > before, 'half a frame');
    await until(() => upstream.frames.filter(({ opcode }) => opcode === 9).length > 2, 'pings');
    const half = client.frames.length;
    upstream.socket.write(frame.subarray(500));
    await until(() => client.frames.length >= half + 2, 'frame and ping');
    expect(client.frames.slice(half, half + 2).map(({ opcode }) => opcode)).toEqual([1, 9]);
  });

  it('injects towards the upstream before anything forwarded, masked', async () => {
    const { client, upstream } = await start({
      prepare: relay => relay.injectUpstream('{"type":"session.update"}'),
    });
    client.text('hello');
    expect(await upstream.nextText()).toBe('{"type":"session.update"}');
    expect(await upstream.nextText()).toBe('hello');
  });

  it('bounds what waits to be injected', async () => {
    const { client, upstream, relay } = await start({
      limits: { maxInjectBytes: 100, wholeMessageBytes: 0 },
    });
    upstream.send(1, 'open', { fin: false });
    await client.next();
    expect(relay.inject('x'.repeat(50))).toBe(true);
    expect(relay.inject('x'.repeat(46))).toBe(true);
    expect(relay.inject('')).toBe(false);
    expect(relay.counters).toMatchObject({ injectedEvents: 2, droppedEvents: 1 });
  });

  it('survives taps that throw', async () => {
    const { client, upstream, relay } = await start({
      onServerEvent: () => {
        throw new Error('tap');
      },
    });
    upstream.text('{}');
    upstream.text('{}');
    await client.next();
    await client.next();
    await until(() => relay.counters.tapErrors === 2, 'tap errors');
  });

  it('sends only the latest pong to a client that asks without end', async () => {
    const { client } = await start();
    client.socket.cork();
    for (let i = 0; i < 1000; i++) client.send(9, String(i));
    client.socket.uncork();
    await until(() => client.frames.at(-1)?.payload.toString() === '999', 'last pong');
  });
});
