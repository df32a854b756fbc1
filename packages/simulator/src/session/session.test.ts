/** The state machine of a session: what clients get wrong, configuration, items, the end. */
import { describe, expect, it } from 'vitest';
import { concat } from '../audio/pcm.ts';
import { MAX_APPEND_BASE64_BYTES } from '../limits.ts';
import { TestSession } from '../testing/session.ts';
import { silence, tone } from '../testing/sound.ts';

const LONG_MS = 60_000;
const UTTERANCE = concat([tone(1_000), silence(600)]);

describe('faults of the client', () => {
  const cases: [string, object | string, string][] = [
    ['not JSON', '{nope', 'invalid_json'],
    ['an array', '[]', 'invalid_event'],
    ['no type', { event_id: 'mine' }, 'invalid_event'],
    ['an unknown type', { type: 'response.audio', event_id: 'mine' }, 'invalid_value'],
    ['a missing field', { type: 'conversation.item.delete' }, 'missing_required_parameter'],
    ['an unknown field', { type: 'response.cancel', why: 1 }, 'unknown_parameter'],
    ['a wrong type', { type: 'input_audio_buffer.append', audio: 7 }, 'invalid_type'],
    ['no base64', { type: 'input_audio_buffer.append', audio: '!!!!' }, 'invalid_value'],
    ['an empty commit', { type: 'input_audio_buffer.commit' }, 'input_audio_buffer_commit_empty'],
    ['nothing to cancel', { type: 'response.cancel' }, 'response_cancel_not_active'],
    [
      'an unknown item',
      { type: 'conversation.item.retrieve', item_id: 'x' },
      'item_retrieve_invalid_item_id',
    ],
    ['a preview session', { type: 'session.update', session: {} }, 'invalid_value'],
    ['WebRTC only', { type: 'output_audio_buffer.clear' }, 'invalid_value'],
  ];

  it.each(cases)('answers %s with an error event and stays open', (_name, event, code) => {
    const test = new TestSession();
    test.send(event);
    const { error } = test.last('error');
    expect(error).toMatchObject({ type: 'invalid_request_error', code });
    expect(error.event_id).toBe((event as { event_id?: string }).event_id ?? null);
    test.send({ type: 'input_audio_buffer.clear' });
    expect(test.log.types.at(-1)).toBe('input_audio_buffer.cleared');
    expect(test.disconnected).toBeUndefined();
  });

  it('refuses an append above 15 MiB and takes one of 15 MiB', () => {
    const test = new TestSession({ audio: { input: { turn_detection: null } } });
    const audio = 'A'.repeat(MAX_APPEND_BASE64_BYTES);
    test.send({ type: 'input_audio_buffer.append', audio });
    expect(test.log.of('error')).toEqual([]);
    test.send({ type: 'input_audio_buffer.append', audio: `${audio}AAAA` });
    expect(test.last('error').error.code).toBe('string_above_max_length');
    const { received } = test.session.record;
    expect(received.audioBytes).toBe((MAX_APPEND_BASE64_BYTES / 4) * 3);
  });

  it('stops taking audio when the buffer is full', () => {
    const test = new TestSession({ audio: { input: { turn_detection: null } } });
    const audio = 'A'.repeat(MAX_APPEND_BASE64_BYTES);
    for (let count = 0; count < 3; count++) test.send({ type: 'input_audio_buffer.append', audio });
    expect(test.last('error').error.code).toBe('input_audio_buffer_full');
  });
});

describe('configuration', () => {
  it('shows all of it in session.created, with id and expiry', () => {
    const { session } = new TestSession().last('session.created');
    expect(session).toMatchObject({
      type: 'realtime',
      object: 'realtime.session',
      id: 'sess_test',
      model: 'gpt-realtime',
      output_modalities: ['audio'],
      audio: { input: { format: { type: 'audio/pcm', rate: 24_000 } } },
    });
    expect(session.expires_at).toBeTypeOf('number');
  });

  it('changes what an update names and nothing else', () => {
    const test = new TestSession();
    const audio = { input: { turn_detection: null }, output: { voice: 'cedar' } };
    test.send({ type: 'session.update', session: { type: 'realtime', audio } });
    const { session } = test.last('session.updated');
    expect(session.audio.input.turn_detection).toBeNull();
    expect(session.audio.input.format.type).toBe('audio/pcm');
    expect(session.audio.output.voice).toBe('cedar');
    expect(session.instructions).not.toBe('');
  });

  it('keeps the model for ever and the voice from the first word on', () => {
    const test = new TestSession();
    const update = (session: object) =>
      test.send({ type: 'session.update', session: { type: 'realtime', ...session } });
    update({ model: 'other' });
    expect(test.last('error').error).toMatchObject({ param: 'session.model' });
    update({ audio: { output: { voice: 'ash' } } });
    test.write('hello');
    test.clock.advance(LONG_MS);
    update({ audio: { output: { voice: 'coral' } } });
    expect(test.last('error').error.code).toBe('cannot_update_voice');
    update({ model: 'gpt-realtime', audio: { output: { voice: 'ash' } } });
    expect(test.log.of('session.updated')).toHaveLength(2);
  });
});

describe('items', () => {
  it('inserts where asked, refuses unknown neighbours and doubles, deletes', () => {
    const test = new TestSession();
    const create = (id: string, previous_item_id?: string) =>
      test.send({
        type: 'conversation.item.create',
        ...(previous_item_id === undefined ? {} : { previous_item_id }),
        item: { id, type: 'message', role: 'user', content: [{ type: 'input_text', text: id }] },
      });
    create('b');
    create('a', 'root');
    create('c', 'b');
    expect(test.session.conversation.items.map(item => item.id)).toEqual(['a', 'b', 'c']);
    create('d', 'nowhere');
    expect(test.last('error').error.code).toBe('item_create_invalid_previous_item_id');
    create('a');
    expect(test.last('error').error.code).toBe('item_create_duplicate_item_id');
    test.send({ type: 'conversation.item.delete', item_id: 'b' });
    expect(test.last('conversation.item.deleted').item_id).toBe('b');
    expect(test.session.conversation.previousOf('c')).toBe('a');
  });
});

describe('the end', () => {
  it('expires with an error and 1001', () => {
    const test = new TestSession({}, { sessionLifetimeMs: LONG_MS });
    test.clock.advance(LONG_MS);
    expect(test.last('error').error.code).toBe('session_expired');
    expect(test.disconnected).toEqual({
      code: 1001,
      reason: 'Your session hit the maximum duration of 1 minutes.',
    });
  });

  it('leaves nothing running', () => {
    const test = new TestSession({ audio: { input: { transcription: { model: 'm' } } } });
    test.speak(UTTERANCE);
    test.session.close();
    expect(test.clock.pending).toBe(0);
    test.fresh();
    test.clock.advance(LONG_MS);
    test.send({ type: 'input_audio_buffer.clear' });
    expect(test.fresh()).toEqual([]);
  });

  it('gives the same ids for the same seed', () => {
    const ids = [new TestSession(), new TestSession()].map(test => {
      test.speak(UTTERANCE);
      test.clock.advance(LONG_MS);
      return JSON.stringify(test.log.all);
    });
    expect(ids[0]).toBe(ids[1]);
  });
});
