/** The small parts of a session on their own: input buffer, append, tool rule, randomness. */
import { describe, expect, it } from 'vitest';
import { concat, samplesOf, toBytes } from '../audio/pcm.ts';
import { EventIds, Random } from '../random.ts';
import { silence, tone } from '../testing/sound.ts';
import { APPEND, decodeAudio, plainAppend } from './append.ts';
import { applyRequest, defaultConfig, parseSessionRequest, type TurnDetection } from './config.ts';
import { Conversation } from './conversation.ts';
import { InputBuffer } from './input-buffer.ts';
import { callFor } from './tool-rule.ts';

const VAD: TurnDetection = {
  type: 'server_vad',
  threshold: 0.5,
  prefix_padding_ms: 200,
  silence_duration_ms: 400,
  idle_timeout_ms: null,
  create_response: true,
  interrupt_response: true,
};

function push(buffer: InputBuffer, samples: Int16Array, pieceMs: number) {
  const step = samplesOf(pieceMs);
  const events = [];
  for (let at = 0; at < samples.length; at += step) {
    events.push(...buffer.push(samples.slice(at, at + step)));
  }
  return events;
}

describe('the input buffer', () => {
  it.each([7, 20, 100, 10_000])('gives the padded utterance, in pieces of %i ms', pieceMs => {
    const buffer = new InputBuffer();
    buffer.configure(VAD);
    const samples = concat([silence(1_000), tone(500), silence(1_000)]);
    const events = push(buffer, samples, pieceMs);
    expect(events.map(event => event.type)).toEqual(['started', 'stopped']);
    expect(events[0]).toMatchObject({ startMs: 800 });
    expect(events[1]).toMatchObject({ endMs: 1_900 });
    const given = events[1]?.type === 'stopped' ? events[1].samples : new Int16Array();
    const wanted = samples.subarray(samplesOf(800), samplesOf(1_900));
    expect(toBytes(given).equals(toBytes(wanted))).toBe(true);
  });

  it('never gives the same audio to two utterances', () => {
    const buffer = new InputBuffer();
    buffer.configure({ ...VAD, prefix_padding_ms: 1_000 });
    const samples = concat([tone(300), silence(500), tone(300), silence(500)]);
    const events = push(buffer, samples, 50);
    const [, first, second] = events;
    expect(first).toMatchObject({ endMs: 700 });
    expect(second).toMatchObject({ startMs: 700 });
  });

  it('can be configured again during speech', () => {
    const buffer = new InputBuffer();
    buffer.configure(VAD);
    push(buffer, tone(300), 20);
    expect(buffer.speaking).toBe(true);
    buffer.configure({ ...VAD, silence_duration_ms: 100 });
    expect(push(buffer, silence(200), 20)[0]).toMatchObject({ type: 'stopped', endMs: 400 });
    buffer.configure(null);
    expect(buffer.speaking).toBe(false);
  });
});

describe('append', () => {
  const plain = (audio: string) => Buffer.from(`{"type":"${APPEND}","audio":"${audio}"}`);

  it('reads the plain spelling without parsing and leaves every other to the parser', () => {
    expect(plainAppend(plain('AAAA'))).toBe('AAAA');
    expect(plainAppend(plain('AA\\u0041'))).toBeUndefined();
    expect(plainAppend(plain('AAAA","audio":"BBBB'))).toBeUndefined();
    expect(plainAppend(Buffer.from(`{"audio":"AAAA","type":"${APPEND}"}`))).toBeUndefined();
    expect(plainAppend(Buffer.from('{"type":"session.update"}'))).toBeUndefined();
    expect(plainAppend(Buffer.from('{}'))).toBeUndefined();
  });

  it('takes base64 with and without padding and nothing else', () => {
    expect(decodeAudio('AAE=').length).toBe(2);
    expect(decodeAudio('AAE').length).toBe(2);
    expect(decodeAudio('').length).toBe(0);
    for (const wrong of ['A?==', 'AAAA AAAA', 'äää']) {
      expect(() => decodeAudio(wrong), wrong).toThrow('base64');
    }
  });
});

describe('the tool rule', () => {
  const colour = { color: { type: 'string', description: 'A hex value of the color' } };
  const tools = [
    { type: 'function', name: 'changeBackgroundColor', parameters: { properties: colour } },
    { type: 'function', name: 'getPageHTML' },
    { type: 'function', name: 'changeTextColor', parameters: { properties: colour } },
  ] as const;
  const call = (text: string, tool_choice: unknown = 'auto') => {
    const request = parseSessionRequest({ type: 'realtime', tools, tool_choice });
    return callFor(text, applyRequest(defaultConfig('s', 'm', 0), request), new Random('x'));
  };

  it.each([
    ['make the background #aabbcc', 'changeBackgroundColor', { color: '#aabbcc' }],
    ['please call changeTextColor with red', 'changeTextColor', { color: '#ff0000' }],
    ['change the text color to blue', 'changeTextColor', { color: '#0000ff' }],
    ['get the page html', 'getPageHTML', {}],
    ['背景を #123456 にして', 'changeBackgroundColor', { color: '#123456' }],
  ])('%s', (text, name, args) => {
    expect(call(text)).toEqual({ name, arguments: args });
  });

  it('calls nothing on small talk, or when it must not', () => {
    expect(call('please repeat this text')).toBeUndefined();
    expect(call('hello')).toBeUndefined();
    expect(call('make the background #aabbcc', 'none')).toBeUndefined();
  });

  it('calls the function that the script names', () => {
    expect(call('hello', 'required')?.name).toBe('changeBackgroundColor');
    expect(call('hello', { type: 'function', name: 'getPageHTML' })?.name).toBe('getPageHTML');
  });
});

describe('the conversation', () => {
  it('keeps the newest audio when space runs out', () => {
    const conversation = new Conversation('conv');
    const half = new Int16Array(5 * 1024 * 1024);
    conversation.keepAudio('one', half);
    conversation.keepAudio('two', half);
    expect(conversation.audioOf('one')).toBeUndefined();
    expect(conversation.audioOf('two')).toBe(half);
  });

  it('drops the oldest item beyond the limit', () => {
    const conversation = new Conversation('conv');
    const base = { object: 'realtime.item', type: 'message', status: 'completed' } as const;
    for (let count = 0; count < 2_001; count++) {
      conversation.insert({ ...base, id: `item_${count}`, role: 'user', content: [] });
    }
    expect(conversation.items).toHaveLength(2_000);
    expect(conversation.find('item_0')).toBeUndefined();
  });
});

describe('randomness', () => {
  it('repeats under a seed, differs between seeds and forks, and makes distinct ids', () => {
    const ids = (seed: string) => {
      const random = new Random(seed);
      return Array.from({ length: 1_000 }, () => random.id('item'));
    };
    expect(ids('a')).toEqual(ids('a'));
    expect(new Set([...ids('a'), ...ids('b')]).size).toBe(2_000);
    expect(new Random('a').fork('x').next()).not.toBe(new Random('a').fork('y').next());
    const events = new EventIds(new Random('a'));
    const made = new Set(Array.from({ length: 10_000 }, () => events.next()));
    expect(made.size).toBe(10_000);
    expect([...made][0]).toMatch(/^event_[A-Za-z0-9]{21}$/);
  });
});
