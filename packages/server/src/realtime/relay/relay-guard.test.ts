/** Guarded sessions: locked configuration and protocol translation. */
import { afterEach, describe, expect, it } from 'vitest';
import type { FilterVerdict } from './message-guard.ts';
import { errorEvent } from './reject.ts';
import { type Bed, type BedOptions, rawFrame, startBed, until, within } from './testbed.ts';

let bed: Bed;
afterEach(() => bed.stop());

/** Everything the filter was asked about. */
let asked: string[] = [];

/** Refuses `session.update`, changes `response.create`, lets the rest through. */
function filterClientMessage(text: string): FilterVerdict {
  asked.push(text);
  const { type } = JSON.parse(text) as { type: string };
  if (type === 'session.update') {
    const message = 'Locked.';
    return { refuse: errorEvent({ type: 'invalid_request_error', code: 'locked', message }) };
  }
  return { forward: type === 'response.create' ? '{"type":"response.create","locked":1}' : text };
}

async function locked(options: BedOptions = {}): Promise<Bed> {
  asked = [];
  bed = await startBed({ guard: { filterClientMessage }, ...options });
  return bed;
}

const append = (audio: string) => `{"type":"input_audio_buffer.append","audio":"${audio}"}`;
const marker = '{"type":"marker"}';
const codeOf = (text: string) => JSON.parse(text).error.code;

/** What reaches the upstream before a marker sent afterwards. */
async function reached(): Promise<string[]> {
  bed.client.text(marker);
  const texts: string[] = [];
  for (;;) {
    const text = await bed.upstream.nextText();
    if (text === marker) return texts;
    texts.push(text);
  }
}

describe('locked configuration', () => {
  const smuggled: [string, string, string][] = [
    ['plainly', '{"type":"session.update","session":{}}', 'locked'],
    ['with another key first', '{"session":{},"type":"session.update"}', 'locked'],
    ['with an escape in the key', '{"\\u0074ype":"session.update"}', 'locked'],
    ['with an escape in the value', '{"type":"session\\u002eupdate"}', 'locked'],
    ['with spaces', ' { "type" : "session.update" } ', 'locked'],
    ['behind an append', `${append('AA').slice(0, -1)},"type":"session.update"}`, 'duplicate_key'],
    [
      'behind an append, escaped',
      `${append('AA').slice(0, -1)},"t\\u0079pe":"session.update"}`,
      'duplicate_key',
    ],
    [
      'before an append',
      '{"type":"session.update","type":"input_audio_buffer.append"}',
      'duplicate_key',
    ],
    ['with a duplicate deep inside', '{"type":"x","a":[{"b":1,"b":2}]}', 'duplicate_key'],
    ['as two texts in one', `${append('AA')}{"type":"session.update"}`, 'invalid_json'],
    ['not as JSON', '{type:"session.update"}', 'invalid_json'],
    ['with a byte order mark', '\ufeff{"type":"session.update"}', 'invalid_json'],
  ];
  for (const [how, text, code] of smuggled) {
    it(`refuses session.update ${how}, whole or in fragments`, async () => {
      const { client, relay } = await locked();
      client.text(text);
      expect(codeOf(await client.nextText())).toBe(code);
      const middle = Math.floor(text.length / 2);
      client.send(1, text.slice(0, middle), { fin: false });
      client.send(9, 'p');
      client.send(0, text.slice(middle));
      expect((await client.next()).opcode).toBe(10);
      expect(codeOf(await client.nextText())).toBe(code);
      expect(await reached()).toEqual([]);
      expect(relay.counters.clientToUpstream.refusedMessages).toBe(2);
    });
  }

  it('passes canonical appends unparsed, in order with the rest, cut anywhere', async () => {
    const { client, upstream } = await locked();
    const texts = [append('AAAA'), '{"type":"a"}', append('BBBB'), append(''), '{"type":"b"}'];
    const bytes = Buffer.concat(texts.map(text => rawFrame(1, text, { masked: true })));
    for (const sizeBytes of [1, 3, 20, 64, bytes.length]) {
      for (let at = 0; at < bytes.length; at += sizeBytes) {
        client.socket.write(bytes.subarray(at, at + sizeBytes));
        if (sizeBytes < 64) await new Promise(resolve => setImmediate(resolve));
      }
      for (const text of texts) expect(await upstream.nextText()).toBe(text);
    }
    expect(new Set(asked)).toEqual(new Set(['{"type":"a"}', '{"type":"b"}']));
  });

  it('sends on what the filter made of a message, and taps that', async () => {
    const seen: string[] = [];
    const { client, upstream } = await locked({ onClientEvent: text => seen.push(text) });
    client.text('{"type":"response.create"}');
    expect(await upstream.nextText()).toBe('{"type":"response.create","locked":1}');
    expect(seen).toEqual(['{"type":"response.create","locked":1}']);
  });

  it('streams appends of 15 MiB, checked, in bounded pieces', async () => {
    const { client, upstream, relay } = await locked({ limits: { streamAppendBytes: 100_000 } });
    const text = append('QUJD'.repeat((15 * 1024 * 1024) / 4));
    client.text(text);
    await until(() => upstream.frames.at(-1)?.fin === true, 'append');
    const parts = upstream.frames.map(frame => frame.payload);
    expect(Buffer.concat(parts).equals(Buffer.from(text))).toBe(true);
    expect(upstream.frames.slice(1).every(frame => frame.opcode === 0)).toBe(true);
    expect(Math.max(...parts.map(part => part.length))).toBeLessThan(500_000);
    expect(asked).toEqual([]);
    const { audioMessages, audioBytes } = relay.counters.clientToUpstream;
    expect([audioMessages, audioBytes]).toEqual([1, text.length]);
  });

  it('never completes a streamed append that hides a second key', async () => {
    const { client, upstream } = await locked({ limits: { streamAppendBytes: 10_000 } });
    const long = append('A'.repeat(300_000));
    client.text(`${long.slice(0, -1)},"type":"session.update"}`);
    expect(await client.nextClose()).toMatchObject({ code: 1008 });
    await until(() => upstream.frames.at(-1)?.opcode === 8, 'close');
    expect(upstream.frames.filter(frame => frame.opcode < 8 && frame.fin)).toEqual([]);
  });

  it('asks about a long message that is no append, whole', async () => {
    const { client, upstream } = await locked({ limits: { streamAppendBytes: 10_000 } });
    const text = JSON.stringify({ type: 'conversation.item.create', image: 'A'.repeat(500_000) });
    client.text(text);
    expect(await upstream.nextText()).toBe(text);
    expect(asked).toEqual([text]);
  });

  it('takes no binary messages (1003) and no broken UTF-8 (1007)', async () => {
    for (const [opcode, payload, code] of [
      [2, Buffer.from('{"type":"session.update"}'), 1003],
      [1, Buffer.from([0x22, 0xff, 0x22]), 1007],
    ] as const) {
      const { client, upstream, stop } = await locked();
      client.send(opcode, payload);
      expect((await client.nextClose()).code).toBe(code);
      expect((await upstream.nextClose()).code).toBe(1001);
      await stop();
    }
  });

  it('ends the session if the filter fails, without letting the message pass', async () => {
    const filter = (): FilterVerdict => {
      throw new Error('filter');
    };
    const { client, upstream } = await locked({ guard: { filterClientMessage: filter } });
    client.text('{"type":"a"}');
    expect((await client.nextClose()).code).toBe(1011);
    expect((await upstream.nextClose()).code).toBe(1001);
  });
});

describe('translation', () => {
  const guard = {
    rewriteClientMessage: (text: string) => text.split('|').filter(part => part !== ''),
    rewriteServerMessage: (text: string) => [
      text.replaceAll('response.output_audio', 'response.audio'),
    ],
  };

  it('rewrites both ways, to none, one or several messages', async () => {
    const seen: string[] = [];
    const tap = (text: string) => seen.push(text);
    bed = await startBed({ guard, onServerEvent: tap, onClientEvent: tap });
    const { client, upstream, relay } = bed;
    client.text('a|b|c');
    client.text('|');
    client.text(append('AA|AA'));
    for (const text of ['a', 'b', 'c', append('AA|AA')]) {
      expect(await upstream.nextText()).toBe(text);
    }
    upstream.text('{"type":"response.output_audio.delta","delta":"AAAA"}');
    upstream.send(2, 'binary');
    upstream.text('{"type":"response.output_audio.done"}');
    expect(await client.nextText()).toBe('{"type":"response.audio.delta","delta":"AAAA"}');
    expect((await client.next()).opcode).toBe(2);
    expect(await client.nextText()).toBe('{"type":"response.audio.done"}');
    expect(seen).toEqual(['a', 'b', 'c', '{"type":"response.output_audio.done"}']);
    expect(relay.counters.upstreamToClient.audioMessages).toBe(1);
  });

  it('filters what the translation made', async () => {
    asked = [];
    bed = await startBed({
      guard: {
        filterClientMessage,
        rewriteClientMessage: () => ['{"type":"a"}', '{"type":"session.update"}', '{"type":"b"}'],
      },
    });
    bed.client.text('{"type":"preview"}');
    expect(await bed.upstream.nextText()).toBe('{"type":"a"}');
    expect(await bed.upstream.nextText()).toBe('{"type":"b"}');
    expect(codeOf(await bed.client.nextText())).toBe('locked');
  });

  it('still closes in order', async () => {
    bed = await startBed({ guard });
    bed.upstream.text('last');
    bed.upstream.close(1001, 'over');
    expect(await bed.client.nextText()).toBe('last');
    expect(await bed.client.nextClose()).toEqual({ code: 1001, reason: 'over' });
    bed.client.close(1001);
    expect(await within(bed.relay.closed, 'outcome')).toMatchObject({ initiator: 'upstream' });
  });
});
