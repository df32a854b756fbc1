/** The dialogue of a session, without waiting: turns, interruption, functions, responses. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { concat, toBytes } from '../audio/pcm.ts';
import { SEND_HIGH_WATER_BYTES } from '../limits.ts';
import { TestSession } from '../testing/session.ts';
import { silence, tone } from '../testing/sound.ts';

const LONG_MS = 60_000;
const UTTERANCE = concat([tone(1_000), silence(600)]);
const COLOUR_TOOL = {
  type: 'function',
  name: 'changeBackgroundColor',
  parameters: { type: 'object', properties: { color: { type: 'string' } } },
};

describe('a spoken turn', () => {
  it('goes from speech to an echo in the order of the protocol', () => {
    const transcription = { model: 'gpt-4o-transcribe' };
    const test = new TestSession({ audio: { input: { transcription } } }, { audioDeltaMs: 800 });
    test.fresh();
    test.speak(UTTERANCE);
    expect(test.fresh()).toEqual([
      'input_audio_buffer.speech_started',
      'input_audio_buffer.speech_stopped',
      'input_audio_buffer.committed',
      'conversation.item.added',
      'conversation.item.done',
      'response.created',
      'rate_limits.updated',
    ]);
    test.clock.advance(LONG_MS);
    const types = test.fresh().filter(type => !type.endsWith('transcription.delta'));
    expect(types).toEqual([
      'conversation.item.input_audio_transcription.completed',
      'response.output_item.added',
      'conversation.item.added',
      'response.content_part.added',
      'response.output_audio_transcript.delta',
      'response.output_audio.delta',
      'response.output_audio_transcript.delta',
      'response.output_audio.delta',
      'response.output_audio.done',
      'response.output_audio_transcript.done',
      'response.content_part.done',
      'conversation.item.done',
      'response.output_item.done',
      'response.done',
    ]);
  });

  it('gives back the very samples it received, and accounts for them', () => {
    const test = new TestSession();
    test.speak(UTTERANCE);
    test.clock.advance(LONG_MS);
    const received = toBytes(concat([tone(1_000), silence(500)]));
    expect(test.spoken().equals(received)).toBe(true);
    const view = test.session.record.view(test.clock.nowMs());
    const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(view.audio_sha256).toBe(sha256(toBytes(UTTERANCE)));
    expect(view.sent_sha256).toBe(sha256(received));
    expect(view.received.audio_bytes).toBe(UTTERANCE.length * 2);
    const { usage, status, status_details } = test.last('response.done').response;
    expect([status, status_details]).toEqual(['completed', null]);
    expect(usage.input_token_details.audio_tokens).toBe(15);
    expect(usage.output_token_details.audio_tokens).toBe(30);
    expect(usage.total_tokens).toBe(usage.input_tokens + usage.output_tokens);
  });

  it('marks its transcript as simulated, unless the script has the words', () => {
    const config = { audio: { input: { transcription: { model: 'whisper-1' } } } };
    const test = new TestSession(config, { script: [{ heard: 'Good morning.' }] });
    test.speak(UTTERANCE);
    test.clock.advance(LONG_MS);
    test.speak(UTTERANCE);
    test.clock.advance(LONG_MS);
    const completed = test.log.of('conversation.item.input_audio_transcription.completed');
    expect(completed.map(event => event.transcript)).toEqual([
      'Good morning.',
      '(simulated) 1.6 s of speech',
    ]);
    expect(completed[0]?.usage).toEqual({ type: 'duration', seconds: 1.5 });
  });

  it('is committed by hand when turn detection is off', () => {
    const test = new TestSession({ audio: { input: { turn_detection: null } } });
    test.speak(UTTERANCE);
    expect(test.log.of('input_audio_buffer.speech_started')).toEqual([]);
    test.send({ type: 'input_audio_buffer.commit' });
    test.clock.advance(LONG_MS);
    expect(test.log.of('response.created')).toEqual([]);
    test.send({ type: 'response.create' });
    test.clock.advance(LONG_MS);
    expect(test.spoken().equals(toBytes(UTTERANCE))).toBe(true);
    const item_id = test.last('input_audio_buffer.committed').item_id;
    test.send({ type: 'conversation.item.retrieve', item_id });
    const [part] = test.last('conversation.item.retrieved').item.content;
    expect(Buffer.from(part.audio, 'base64').equals(toBytes(UTTERANCE))).toBe(true);
  });

  it.each(['audio/pcmu', 'audio/pcma'])('works in %s both ways', type => {
    const format = { type };
    const test = new TestSession({ audio: { input: { format }, output: { format } } });
    const quiet = type === 'audio/pcmu' ? 0xff : 0xd5;
    const loud = type === 'audio/pcmu' ? 0x20 : 0x2a;
    const wave = Uint8Array.from({ length: 8_000 }, (_, at) => (at % 16 < 8 ? loud : loud ^ 0x80));
    const bytes = Buffer.concat([wave, Buffer.alloc(4_800, quiet)]);
    test.send({ type: 'input_audio_buffer.append', audio: bytes.toString('base64') });
    test.clock.advance(LONG_MS);
    const endMs = test.last('input_audio_buffer.speech_stopped').audio_end_ms;
    expect(Math.abs(endMs - 1_500)).toBeLessThanOrEqual(20);
    expect(Math.abs(test.spoken().length - endMs * 8)).toBeLessThan(20);
  });

  it('is prompted when the user stays silent for too long', () => {
    const turn_detection = { type: 'server_vad', idle_timeout_ms: 5_000 };
    const test = new TestSession({ audio: { input: { turn_detection } } });
    test.speak(UTTERANCE);
    test.clock.advance(2_000);
    test.speak(silence(2_000));
    expect(test.log.of('input_audio_buffer.timeout_triggered')).toEqual([]);
    test.clock.advance(6_000);
    const timeout = test.last('input_audio_buffer.timeout_triggered');
    expect(timeout.audio_end_ms).toBeGreaterThan(timeout.audio_start_ms);
    expect(test.last('input_audio_buffer.committed').item_id).toBe(timeout.item_id);
    expect(test.log.of('response.created')).toHaveLength(2);
  });
});

describe('interruption', () => {
  it('cancels a response that is being spoken and closes all it had opened', () => {
    const test = new TestSession();
    test.speak(UTTERANCE);
    test.clock.advance(200);
    expect(test.log.of('response.output_audio.delta').length).toBeGreaterThan(0);
    test.fresh();
    test.speak(tone(200));
    expect(test.fresh()).toEqual([
      'input_audio_buffer.speech_started',
      'response.output_audio.done',
      'response.output_audio_transcript.done',
      'response.content_part.done',
      'conversation.item.done',
      'response.output_item.done',
      'response.done',
    ]);
    const { response } = test.last('response.done');
    expect(response.status).toBe('cancelled');
    expect(response.status_details).toEqual({ type: 'cancelled', reason: 'turn_detected' });
    expect(response.output[0].status).toBe('incomplete');
    const [item] = response.output;
    test.send({
      type: 'conversation.item.truncate',
      item_id: item.id,
      content_index: 0,
      audio_end_ms: 100,
    });
    expect(test.last('conversation.item.truncated').audio_end_ms).toBe(100);
    test.send({
      type: 'conversation.item.truncate',
      item_id: item.id,
      content_index: 0,
      audio_end_ms: 99_999,
    });
    expect(test.last('error').error.param).toBe('audio_end_ms');
  });

  it('waits with the next answer when it must not interrupt', () => {
    const turn_detection = { type: 'server_vad', interrupt_response: false };
    const test = new TestSession({ audio: { input: { turn_detection } } });
    test.speak(UTTERANCE);
    test.clock.advance(100);
    test.speak(UTTERANCE);
    test.clock.advance(LONG_MS);
    const done = test.log.of('response.done').map(event => event.response.status);
    expect(done).toEqual(['completed', 'completed']);
  });

  it('cancels on request and refuses a second response meanwhile', () => {
    const test = new TestSession();
    test.write('tell me a long story about the sea');
    test.clock.advance(100);
    test.send({ type: 'response.create' });
    expect(test.last('error').error.code).toBe('conversation_already_has_active_response');
    test.send({ type: 'response.cancel' });
    expect(test.last('response.done').response.status_details.reason).toBe('client_cancelled');
    expect(test.clock.pending).toBe(1);
  });
});

describe('functions', () => {
  it('calls one that typed words ask for, then confirms its result', () => {
    const test = new TestSession({ tools: [COLOUR_TOOL] });
    test.write('make the background #AABBCC');
    test.clock.advance(LONG_MS);
    const done = test.last('response.function_call_arguments.done');
    expect(done).toMatchObject({ name: 'changeBackgroundColor', arguments: '{"color":"#aabbcc"}' });
    const deltas = test.log.of('response.function_call_arguments.delta');
    expect(deltas.map(event => event.delta).join('')).toBe(done.arguments);
    const { call_id } = done;
    const item = { type: 'function_call_output', call_id, output: 'ok' };
    test.send({ type: 'conversation.item.create', item });
    test.send({ type: 'response.create' });
    test.clock.advance(LONG_MS);
    const { transcript } = test.last('response.output_audio_transcript.done');
    expect(transcript).toContain('changeBackgroundColor has answered');
  });

  it('follows the script turn by turn, spoken or typed', () => {
    const call = { name: 'changeBackgroundColor', arguments: { color: '#123456' } };
    const script = [{ echo: true }, { call }, { say: 'One two.' }, { fail: { code: 'broken' } }];
    const test = new TestSession({ tools: [COLOUR_TOOL] }, { script });
    for (let turn = 0; turn < 4; turn++) {
      test.speak(UTTERANCE);
      test.clock.advance(LONG_MS);
    }
    const done = test.log.of('response.done').map(event => event.response);
    expect(done[0].output[0].content[0].transcript).toContain('Your own voice');
    expect(done[1].output[0]).toMatchObject({
      type: 'function_call',
      arguments: '{"color":"#123456"}',
    });
    expect(done[2].output[0].content[0].transcript).toBe('One two.');
    expect(done[3]).toMatchObject({
      status: 'failed',
      status_details: { type: 'failed', error: { code: 'broken' } },
    });
  });
});

describe('responses', () => {
  it('writes instead of speaking when asked for text', () => {
    const test = new TestSession({ output_modalities: ['text'] });
    test.write('hello there');
    test.clock.advance(LONG_MS);
    const deltas = test.log.of('response.output_text.delta').map(event => event.delta);
    expect(deltas.join('')).toBe('(simulated) You wrote: hello there');
    expect(test.last('response.output_text.done').text).toBe(deltas.join(''));
    expect(test.log.of('response.output_audio.delta')).toEqual([]);
  });

  it('leaves the conversation alone when out of band', () => {
    const test = new TestSession();
    const response = { conversation: 'none', output_modalities: ['text'], metadata: { for: 'me' } };
    const content = [{ type: 'input_text', text: 'aside' }];
    const input = [{ type: 'message', role: 'user', content }];
    test.send({ type: 'response.create', response: { ...response, input } });
    test.write('main');
    test.clock.advance(LONG_MS);
    const done = test.log.of('response.done').map(event => event.response);
    expect(done.map(entry => entry.conversation_id === null).sort()).toEqual([false, true]);
    const aside = done.find(entry => entry.conversation_id === null);
    expect(aside.metadata).toEqual({ for: 'me' });
    expect(aside.output[0].content[0].text).toBe('(simulated) You wrote: aside');
    expect(test.log.of('conversation.item.added')).toHaveLength(2);
  });

  it('ends as incomplete when it has used its tokens', () => {
    const test = new TestSession();
    test.write('one two three four five six seven eight nine ten');
    test.clock.advance(LONG_MS);
    test.send({ type: 'response.create', response: { max_output_tokens: 10 } });
    test.clock.advance(LONG_MS);
    const { status, status_details, usage } = test.last('response.done').response;
    expect(status).toBe('incomplete');
    expect(status_details.reason).toBe('max_output_tokens');
    expect(usage.output_tokens).toBeLessThan(16);
  });

  it('counts what was read before as cached', () => {
    const test = new TestSession({ instructions: 'x'.repeat(1_000) });
    for (const text of ['first', 'second']) {
      test.write(text);
      test.clock.advance(LONG_MS);
    }
    const details = test.log
      .of('response.done')
      .map(event => event.response.usage.input_token_details);
    expect(details[0].cached_tokens).toBe(0);
    expect(details[1].cached_tokens).toBe(192);
    expect(details[1].cached_tokens_details.text_tokens).toBe(details[1].cached_tokens);
  });

  it('pauses for a reader that does not keep up', () => {
    const test = new TestSession();
    test.speak(UTTERANCE);
    test.sink.backlogBytes = SEND_HIGH_WATER_BYTES + 1;
    test.clock.advance(LONG_MS);
    expect(test.log.of('response.output_audio.delta')).toEqual([]);
    test.sink.backlogBytes = 0;
    test.clock.advance(LONG_MS);
    expect(test.log.of('response.done')).toHaveLength(1);
    expect(test.sink.dropped).toBe(false);
  });
});
