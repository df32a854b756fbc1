/**
 * Client events of every type with all sorts of content: the session always answers with
 * events of the protocol, never with an error of its own.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TestSession } from '../testing/session.ts';
import { CLIENT_EVENT_TYPES } from './client-events.ts';

const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const RUNS = 300;

const id = fc.constantFrom('item_1', 'item_2', 'root', 'nowhere', '');
const text = fc.constantFrom('', 'hello', 'make the background #aabbcc', '\ud800', '"\\u0000');
const audio = fc.constantFrom('', 'AAAA', 'AAA', '!', 'AAEAAQ=='.repeat(1), 'fwB/'.repeat(4_000));
const modality = fc.constantFrom(['text'], ['audio'], [], ['video']);
const content = fc.array(
  fc.record(
    {
      type: fc.constantFrom('input_text', 'input_audio', 'output_text', 'output_audio', 'x'),
      text,
      audio,
      transcript: text,
    },
    { requiredKeys: ['type'] },
  ),
  { maxLength: 3 },
);
const item = fc.oneof(
  fc.record({
    id,
    type: fc.constant('message'),
    role: fc.constantFrom('user', 'assistant', 'system', 'tool'),
    content,
  }),
  fc.record({ type: fc.constant('function_call'), name: text, call_id: id, arguments: text }),
  fc.record({ type: fc.constant('function_call_output'), call_id: id, output: text }),
  fc.record({ type: fc.constant('item_reference'), id }),
);
const detection = fc.constantFrom(
  null,
  { type: 'server_vad' },
  { type: 'server_vad', threshold: 0, silence_duration_ms: 0, prefix_padding_ms: 0 },
  { type: 'semantic_vad', eagerness: 'high', interrupt_response: false },
  { type: 'none' },
);
const format = fc.constantFrom('audio/pcm', 'audio/pcmu', 'audio/pcma', 'audio/mp3');
const session = fc.record(
  {
    type: fc.constantFrom('realtime', 'transcription'),
    instructions: text,
    output_modalities: modality,
    tools: fc.constantFrom([], [{ type: 'function', name: 'f', parameters: {} }], [{}], 'x'),
    tool_choice: fc.constantFrom('auto', 'none', 'required', { type: 'function', name: 'f' }),
    max_output_tokens: fc.constantFrom(1, 5, 'inf', 0),
    audio: fc.record({
      input: fc.record({
        turn_detection: detection,
        transcription: fc.constantFrom(null, {}, { model: 'whisper-1' }),
        format: fc.record({ type: format }),
      }),
      output: fc.record({
        format: fc.record({ type: format }),
        voice: fc.constantFrom('ash', 'x', { id: 'v' }),
      }),
    }),
  },
  { requiredKeys: [] },
);
const response = fc.record(
  {
    conversation: fc.constantFrom('auto', 'none', 'other'),
    input: fc.array(item, { maxLength: 2 }),
    output_modalities: modality,
    max_output_tokens: fc.constantFrom(1, 'inf'),
    metadata: fc.constantFrom(null, { a: 'b' }, { a: 1 }),
  },
  { requiredKeys: [] },
);
const event = fc.record(
  {
    type: fc.constantFrom(...CLIENT_EVENT_TYPES, 'unknown'),
    event_id: id,
    audio,
    item,
    item_id: id,
    previous_item_id: id,
    content_index: fc.integer({ min: -1, max: 1 }),
    audio_end_ms: fc.integer({ min: -1, max: 500 }),
    session,
    response,
    response_id: id,
  },
  { requiredKeys: ['type'] },
);

/** Fields an event of that type may have, so that most events get past the schema. */
const FIELDS: Record<string, string[]> = {
  'session.update': ['session'],
  'input_audio_buffer.append': ['audio'],
  'conversation.item.create': ['item', 'previous_item_id'],
  'conversation.item.retrieve': ['item_id'],
  'conversation.item.delete': ['item_id'],
  'conversation.item.truncate': ['item_id', 'content_index', 'audio_end_ms'],
  'response.create': ['response'],
  'response.cancel': ['response_id'],
};

/** Events that are in order, so that something happens for the others to disturb. */
const sane = fc.constantFrom<{ type: string } & Record<string, unknown>>(
  { type: 'response.create' },
  { type: 'response.create', response: { conversation: 'none', output_modalities: ['text'] } },
  { type: 'response.create', response: { max_output_tokens: 3 } },
  { type: 'response.cancel' },
  { type: 'input_audio_buffer.append', audio: 'fwB/'.repeat(8_000) },
  { type: 'input_audio_buffer.append', audio: 'AAAA'.repeat(10_000) },
  { type: 'input_audio_buffer.commit' },
  {
    type: 'session.update',
    session: { type: 'realtime', audio: { input: { turn_detection: null } } },
  },
  {
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hello' }] },
  },
);

function trimmed(value: Record<string, unknown> & { type: string }): object {
  const allowed = ['type', 'event_id', ...(FIELDS[value.type] ?? [])];
  return Object.fromEntries(Object.entries(value).filter(([key]) => allowed.includes(key)));
}

it(`never fails by itself (SEED=${SEED})`, () => {
  let answered = 0;
  const steps = fc.array(
    fc.tuple(fc.oneof(event, sane), fc.boolean(), fc.integer({ min: 0, max: 400 })),
    {
      maxLength: 40,
    },
  );
  fc.assert(
    fc.property(steps, sequence => {
      const test = new TestSession();
      for (const [value, exact, waitMs] of sequence) {
        test.send(exact ? value : trimmed(value));
        test.clock.advance(waitMs);
      }
      test.clock.advance(60_000);
      const errors = test.log.of('error').map(entry => entry.error.type);
      expect(errors.filter(type => type !== 'invalid_request_error')).toEqual([]);
      const opened = test.log.of('response.created').length;
      expect(test.log.of('response.done')).toHaveLength(opened);
      answered += opened;
      test.session.close();
      expect(test.clock.pending).toBe(0);
    }),
    { seed: SEED, numRuns: RUNS },
  );
  expect(answered).toBeGreaterThan(RUNS / 2);
});
