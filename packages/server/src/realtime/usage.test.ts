/**
 * Golden usages: what a provider reports, and what it costs at the list prices of the built-in
 * table, worked out by hand. Per million tokens gpt-realtime asks for text 4 (cached 0.40, written
 * 16), for audio 32 (0.40, 64), for images 5 (0.50).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../kernel/index.ts';
import {
  createModels,
  createVoiceAccounts,
  defaultCatalogue,
  parseCatalogue,
} from '../models/index.ts';
import type { Database } from '../platform/database/index.ts';
import { type RecordedTelemetry, recordTelemetry } from '../platform/log/testing.ts';
import { Meter } from './meter.ts';
import type { Json } from './preview/session.ts';
import { addUsage, noUsage, reportedUsage } from './usage.ts';

let telemetry: RecordedTelemetry;
beforeAll(async () => {
  telemetry = await recordTelemetry();
});
afterAll(() => telemetry.close());

const done = (usage: Json | null, status = 'completed') => ({
  type: 'response.done',
  response: { id: 'r', status, usage },
});
const COMPLETED = 'conversation.item.input_audio_transcription.completed';
const transcribed = (usage: unknown) => ({ type: COMPLETED, item_id: 'i', usage });
const transcribedBy = (model: string) => ({
  type: 'session.updated',
  session: { audio: { input: { transcription: { model } } } },
});

function metered(
  model: string,
  events: readonly Json[],
  {
    clock = systemClock as Clock,
    catalogue = defaultCatalogue({ provider: 'openai', auth: 'none' }),
  } = {},
) {
  const models = createModels({ catalogue, credentials: { secret: async () => undefined } });
  const database = {} as Database;
  const accounts = createVoiceAccounts({ database, telemetry, clock, models });
  const session = { id: 's', projectId: 'p', owner: 'o', model, type: 'realtime' } as const;
  const account = accounts.hold(session, { subject: 's', replica: 'r', fence: 1 }, () => {});
  const add = account.add.bind(account);
  const meter = new Meter({
    model,
    add,
    addUnreported() {},
    turn() {},
    isLimited: false,
    reserving: undefined,
  });
  const costs = events.map(event => meter.read(event)?.costUsd ?? null);
  return { meter, costs };
}

/** 550 tokens in, 250 out; they differ only in what 500 of the input are. */
const spoke = (input: object) => ({
  total_tokens: 800,
  input_tokens: 550,
  output_tokens: 250,
  input_token_details: { text_tokens: 50, audio_tokens: 0, image_tokens: 0, ...input },
  output_token_details: { text_tokens: 0, audio_tokens: 250 },
});

const GOLDEN: [what: string, model: string, usage: Json, usd: number][] = [
  [
    // 50 × 4 + 500 × 32 + 250 × 64 = 200 + 16,000 + 16,000
    'audio heard and spoken',
    'gpt-realtime',
    spoke({ audio_tokens: 500 }),
    0.0322,
  ],
  [
    // 550 × 4 + 250 × 64 = 2,200 + 16,000
    'text read, audio spoken',
    'gpt-realtime',
    spoke({ text_tokens: 550 }),
    0.0182,
  ],
  [
    // 50 × 4 + 500 × 5 + 250 × 64 = 200 + 2,500 + 16,000
    'an image seen, audio spoken',
    'gpt-realtime',
    spoke({ image_tokens: 500 }),
    0.0187,
  ],
  [
    // 50 × 4 + 100 × 32 + 400 × 0.40 + 250 × 64 = 200 + 3,200 + 160 + 16,000
    'audio, most of it cached',
    'gpt-realtime',
    spoke({
      audio_tokens: 500,
      cached_tokens: 400,
      cached_tokens_details: { text_tokens: 0, audio_tokens: 400, image_tokens: 0 },
    }),
    0.01956,
  ],
  [
    // 30 × 4 + 20 × 0.40 + 100 × 5 + 400 × 0.50 + 250 × 64 = 120 + 8 + 500 + 200 + 16,000
    'text and an image, cached in part',
    'gpt-realtime',
    spoke({
      image_tokens: 500,
      cached_tokens: 420,
      cached_tokens_details: { text_tokens: 20, audio_tokens: 0, image_tokens: 400 },
    }),
    0.016828,
  ],
  [
    // 550 × 0.60 + 250 × 20 = 330 + 5,000
    'the small model',
    'gpt-realtime-mini',
    spoke({ text_tokens: 550 }),
    0.00533,
  ],
  [
    // 152 text and 194 image in, of which 128 and 192 cached; 29 text out, thought included:
    // 24 × 0.60 + 128 × 0.06 + 2 × 0.80 + 192 × 0.08 + 29 × 2.40
    'thought within the text, as gpt-realtime-2.1-mini reports it',
    'gpt-realtime-2.1-mini',
    {
      total_tokens: 375,
      input_tokens: 346,
      output_tokens: 29,
      input_token_details: {
        text_tokens: 152,
        audio_tokens: 0,
        image_tokens: 194,
        cached_tokens: 320,
        cached_tokens_details: { text_tokens: 128, audio_tokens: 0, image_tokens: 192 },
      },
      output_token_details: { text_tokens: 29, audio_tokens: 0, reasoning_tokens: 19 },
    },
    0.00010864,
  ],
  [
    // As somebody was billed: cached tokens are part of the input, in the first response too.
    // 5 × 0.60 + 1,344 × 0.06 + 46 × 10 + 64 × 0.30 + 97 × 2.40 + 299 × 20
    'text and audio, cached in part, as gpt-realtime-mini reports them',
    'gpt-realtime-mini',
    {
      total_tokens: 1_855,
      input_tokens: 1_459,
      output_tokens: 396,
      input_token_details: {
        text_tokens: 1_349,
        audio_tokens: 110,
        image_tokens: 0,
        cached_tokens: 1_408,
        cached_tokens_details: { text_tokens: 1_344, audio_tokens: 64, image_tokens: 0 },
      },
      output_token_details: { text_tokens: 97, audio_tokens: 299 },
    },
    0.00677564,
  ],
  [
    // The same with thought beside it: 29 are out, whatever the details leave out.
    'thought beside the text',
    'gpt-realtime-2.1-mini',
    {
      input_tokens: 0,
      output_tokens: 29,
      output_token_details: { text_tokens: 10, audio_tokens: 0, reasoning_tokens: 19 },
    },
    0.0000696,
  ],
  [
    // The text model's price of a dated name: 10 × 24.
    'a dated name of a model that the catalogue does not have',
    'gpt-realtime-2.1-2026-05-01',
    { output_tokens: 10, output_token_details: { text_tokens: 10, audio_tokens: 0 } },
    0.00024,
  ],
];

describe('golden usages', () => {
  it.each(GOLDEN)('%s', (_, model, usage, usd) => {
    const { costs, meter } = metered(model, [done(usage)]);
    expect(costs[0]).toBeCloseTo(usd, 10);
    expect(meter.totals).toMatchObject({ costUsd: costs[0], unpriced: [], unreported: 0 });
  });

  it.each([
    // 120 audio + 30 text in at 2.50, 40 out at 10.
    [
      'gpt-4o-transcribe',
      {
        type: 'tokens',
        input_tokens: 150,
        output_tokens: 40,
        input_token_details: { text_tokens: 30, audio_tokens: 120 },
      },
      0.000775,
    ],
    // 150 in at 1.25, 40 out at 5.
    ['gpt-4o-mini-transcribe', { type: 'tokens', input_tokens: 150, output_tokens: 40 }, 0.0003875],
    // 90 s at 0.006 a minute.
    ['whisper-1', { type: 'duration', seconds: 90 }, 0.009],
    ['gpt-realtime-whisper', { type: 'duration', seconds: 90 }, 0.0255],
  ])('a transcription by %s has its own price', (model, usage, usd) => {
    const { costs, meter } = metered('gpt-realtime', [transcribedBy(model), transcribed(usage)]);
    expect(costs[1]).toBeCloseTo(usd, 10);
    expect(meter.usage.input_tokens).toBe(0);
  });

  it.each([
    [
      'a model without a price',
      'my-deployment',
      [done(spoke({ audio_tokens: 500 }))],
      'my-deployment',
    ],
    [
      'a transcription by a model without a price',
      'gpt-realtime',
      [transcribedBy('my-whisper'), transcribed({ type: 'duration', seconds: 1 })],
      'my-whisper',
    ],
    [
      'a model that reports what its price does not cover',
      'gpt-realtime',
      [transcribedBy('whisper-1'), transcribed({ type: 'tokens', input_tokens: 5 })],
      'whisper-1',
    ],
    [
      'a transcription whose model nobody told',
      'gpt-realtime',
      [transcribed({ type: 'duration', seconds: 1 })],
      'transcription',
    ],
  ])('the cost of %s is not known, and said so', (_, model, events, unpriced) => {
    const { costs, meter } = metered(model, events);
    expect(costs.at(-1)).toBeNull();
    expect(meter.totals).toMatchObject({ costUsd: 0, unpriced: [unpriced] });
  });
});

describe('prices of the operator’s file', () => {
  const usage = spoke({
    audio_tokens: 300,
    image_tokens: 200,
    cached_tokens: 330,
    cached_tokens_details: { text_tokens: 30, audio_tokens: 200, image_tokens: 100 },
  });

  it.each([
    // 20 × 1 + 30 × 1 + 100 × 10 + 200 × 10 + 100 × 3 + 100 × 3 + 250 × 20: cached as fresh
    ['the last day of the old one', '2026-11-14T23:59:59Z', 0.00865],
    // 20 × 2 + 30 × 0.5 + 100 × 20 + 200 × 0.1 + 100 × 6 + 100 × 0.2 + 250 × 40
    ['the first of the new one', '2026-11-15T00:00:00Z', 0.012695],
  ])('count within a month from their day on, %s', (_, at, usd) => {
    const catalogue = parseCatalogue({
      default: 'mine',
      endpoints: { e: { provider: 'openai', auth: 'none' } },
      models: [
        {
          id: 'mine',
          endpoint: 'e',
          prices: [
            {
              from: '2026-01-01',
              ...{ input_text: 1, input_audio: 10, input_image: 3, output_audio: 20 },
            },
            {
              from: '2026-11-15',
              ...{ input_text: 2, input_audio: 20, input_image: 6, output_audio: 40 },
              ...{ cached_input: 0.5, cached_input_audio: 0.1, cached_input_image: 0.2 },
            },
          ],
        },
      ],
    });
    const clock = { ...systemClock, nowMs: () => Date.parse(at) };
    expect(metered('mine', [done(usage)], { clock, catalogue }).costs[0]).toBeCloseTo(usd, 10);
  });
});

describe('what a provider reports', () => {
  const used = (usage: Json) => reportedUsage(done(usage))?.used;

  it('is text where only audio is named beside it, and audio where nothing is', () => {
    const details = { audio_tokens: 8 };
    expect(used({ input_tokens: 10, input_token_details: details })?.input).toEqual({
      text: 2,
      audio: 8,
      image: 0,
    });
    expect(used({ input_tokens: 10, output_tokens: 3 })).toMatchObject({
      input: { text: 0, audio: 10 },
      output: { text: 0, audio: 3 },
    });
  });

  it.each([
    [
      'without details, where they save least',
      { cached_tokens: 7 },
      { text: 2, image: 1, audio: 4 },
    ],
    [
      'never beyond the input',
      { cached_tokens: 99, cached_tokens_details: { text_tokens: 50, audio_tokens: 1 } },
      { text: 2, image: 1, audio: 8 },
    ],
  ])('counts cached tokens %s', (_, cached, expected) => {
    const details = { text_tokens: 2, audio_tokens: 8, image_tokens: 1, ...cached };
    expect(used({ input_tokens: 11, input_token_details: details })?.cached).toEqual(expected);
  });

  it.each([null, 'x', [], { type: 'other', seconds: 3 }])('is nothing in %j', usage => {
    expect(reportedUsage(transcribed(usage))).toBeUndefined();
    expect(addUsage(noUsage(), transcribed(usage), undefined)).toEqual(noUsage());
  });

  it('counts only whole, positive numbers', () => {
    const usage = { type: 'tokens', input_tokens: 3.7, output_tokens: 'x', total_tokens: -5 };
    const reported = reportedUsage(transcribed(usage));
    expect(addUsage(noUsage(), transcribed(usage), reported)).toEqual({
      ...noUsage(),
      transcription_input_tokens: 3,
    });
  });
});

describe('responses whose usage is not reported', () => {
  const created = (id: string) => ({ type: 'response.created', response: { id } });
  const committed = (item_id: string) => ({ type: 'input_audio_buffer.committed', item_id });

  it.each([
    ['a response without figures', [created('r'), done(null)], 1],
    ['a cancelled response without figures', [created('r'), done(null, 'cancelled')], 1],
    ['one that failed', [created('r'), done(null, 'failed')], 0],
    ['two under way at the end', [created('a'), created('b'), created('a')], 2],
    ['one that ended', [created('r'), done(spoke({}))], 0],
    ['speech that was not yet transcribed', [transcribedBy('whisper-1'), committed('i')], 1],
    ['speech that nobody transcribes', [committed('i')], 0],
    [
      'speech that was transcribed',
      [
        transcribedBy('whisper-1'),
        committed('i'),
        transcribed({ type: 'duration', seconds: 1 }),
        committed('j'),
        { type: 'conversation.item.input_audio_transcription.failed', item_id: 'j' },
      ],
      0,
    ],
  ])('%s', (_, events, unreported) => {
    const { meter } = metered('gpt-realtime', events);
    meter.end();
    meter.end();
    expect(meter.unreported).toBe(unreported);
  });
});
