import { OpenAIRealtimeWebSocket } from '@openai/agents-realtime';
import { describe, expect, it } from 'vitest';
import { KnownEvents } from './known-event.ts';

const known = new KnownEvents();
const update = (session: unknown) => ({ type: 'session.update', session });

describe('what stock clients do not send', () => {
  it.each([
    [null, 'type'],
    ['session.update', 'type'],
    [[update({})], 'type'],
    [{}, 'type'],
    [{ type: 'transcription_session.update', session: {} }, 'type'],
    [{ type: 'session.Update', session: {} }, 'type'],
    [{ type: ['session.update'] }, 'type'],
    [{ type: '__proto__' }, 'type'],
    [{ Type: 'session.update', type: 'response.create' }, 'Type'],
    [{ ...update({}), Session: {} }, 'Session'],
    [{ ...update({}), 'session.instructions': 'x' }, 'session.instructions'],
    [update({ Instructions: 'x' }), 'session.Instructions'],
    [update({ in\u0455tructions: 'x' }), 'session.in\u0455tructions'],
    [update({ voice: 'echo' }), 'session.voice'],
    [update({ 'audio.output': { voice: 'echo' } }), 'session.audio.output'],
    [update({ audio: { output: { Voice: 'echo' } } }), 'session.audio.output.Voice'],
    [update({ audio: { input: { turnDetection: null } } }), 'session.audio.input.turnDetection'],
    [update({ type: 'transcription' }), 'session.type'],
    [update('x'), 'session'],
    [update([{ instructions: 'x' }]), 'session'],
    [update({ instructions: { text: 'x' } }), 'session.instructions'],
    [update({ tools: { type: 'function' } }), 'session.tools'],
    [update({ tools: [{ type: 'Function' }] }), 'session.tools[0].type'],
    [update(JSON.parse('{"__proto__":{"instructions":"x"}}')), 'session.__proto__'],
    [{ type: 'conversation.item.create', Item: {} }, 'Item'],
    [{ type: 'conversation.item.create', item: { role: 'developer' } }, 'item.role'],
    [{ type: 'conversation.item.create', item: { role: null } }, 'item.role'],
    [{ type: 'response.create', response: { input: { role: 'user' } } }, 'response.input'],
    [{ type: 'response.create', response: { session: {} } }, 'response.session'],
  ])('%j: %s', (event, part) => {
    expect(known.unknownPart(event)).toBe(part);
  });

  it('is named in bounded length', () => {
    expect(known.unknownPart(update({ ['x'.repeat(1_000_000)]: 1 }))).toHaveLength(100);
  });
});

describe('what the typings allow', () => {
  it.each([
    update({ type: 'realtime', tracing: 'auto', include: ['item.input_audio_transcription'] }),
    update({ audio: { input: { noise_reduction: null }, output: { voice: { id: 'v' } } } }),
    update({
      tools: [{ type: 'function', parameters: { a: [{ Type: 'x' }] } }],
      tool_choice: null,
    }),
    { type: 'response.create', event_id: 'e', response: { metadata: { Session: 'x' } } },
    { type: 'response.create', response: { input: [{ type: 'item_reference', id: 'i' }] } },
  ])('%j', event => {
    expect(known.unknownPart(event)).toBeUndefined();
  });
});

it('what the agents SDK makes of a configuration is known', () => {
  const session = new OpenAIRealtimeWebSocket().buildSessionPayload({
    instructions: 'Be brief.',
    tools: [
      {
        type: 'function',
        name: 'look',
        description: 'Looks.',
        parameters: { type: 'object', properties: {}, required: [], additionalProperties: false },
        strict: true,
      },
    ],
    prompt: { promptId: 'pmpt_1', version: '1', variables: { city: 'Paris' } },
    audio: { input: { turnDetection: { type: 'semantic_vad', eagerness: 'low' } } },
  });
  expect(session).toMatchObject({ type: 'realtime', audio: { input: { noise_reduction: null } } });
  expect(known.unknownPart(JSON.parse(JSON.stringify(update(session))))).toBeUndefined();
});

describe('what the operator adds', () => {
  const more = new KnownEvents([
    'input_audio_buffer.pause',
    'session.update:session.audio.input.echo[].level',
    'session.update:session.x=*',
    'conversation.item.create:item.role=developer',
    'session.update:session.instructions=only this',
  ]);

  it.each([
    { type: 'input_audio_buffer.pause', event_id: 'e' },
    update({ audio: { input: { echo: [{ level: 1 }] } } }),
    update({ x: { anything: [{ goes: true }] } }),
    update({ instructions: 'Anything still goes.' }),
    { type: 'conversation.item.create', item: { role: 'developer' } },
  ])('%j', event => {
    expect(known.unknownPart(update({ x: 1 }))).toBe('session.x');
    expect(more.unknownPart(event)).toBeUndefined();
  });

  it('is no more than that', () => {
    expect(more.unknownPart({ type: 'input_audio_buffer.pause', audio: '' })).toBe('audio');
    expect(more.unknownPart(update({ audio: { input: { echo: { level: 1 } } } }))).toBe(
      'session.audio.input.echo',
    );
    expect(more.unknownPart({ type: 'response.create', response: { x: 1 } })).toBe('response.x');
  });
});
