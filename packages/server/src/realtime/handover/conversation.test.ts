import { describe, expect, it } from 'vitest';
import { Conversation } from './conversation.ts';
import { Unanswered } from './unanswered.ts';

const message = (id: string, role: string, content: Record<string, unknown>[]) => ({
  id,
  type: 'message',
  role,
  content,
});
const added = (item: Record<string, unknown>, previous_item_id?: string | null) => ({
  type: 'conversation.item.added',
  previous_item_id,
  item,
});
const texts = (conversation: Conversation) =>
  conversation.replay().items.map(({ content }) => (content as { text: string }[])[0]?.text);
const open = (id = 'resp_1') => ({ type: 'response.created', response: { id, output: [] } });
const words = (item_id: string, delta: string) =>
  JSON.stringify({ type: 'response.output_audio_transcript.delta', item_id, delta });

describe('a conversation that is given back', () => {
  it('has its items in their order, without those that were deleted', () => {
    const conversation = new Conversation();
    for (const [id, previous] of [
      ['b', undefined],
      ['d', 'b'],
      ['c', 'b'],
      ['a', null],
      ['e', 'd'],
    ] as const) {
      conversation.server(added(message(id, 'user', [{ type: 'input_text', text: id }]), previous));
    }
    conversation.server({ type: 'conversation.item.deleted', item_id: 'd' });
    expect(texts(conversation)).toEqual(['a', 'b', 'c', 'e']);
  });

  it('says of speech its transcript, else its audio, else that it is not known', () => {
    const conversation = new Conversation();
    for (const id of ['one', 'two', 'three']) {
      conversation.server(added(message(id, 'user', [{ type: 'input_audio', transcript: null }])));
    }
    conversation.said('one', Buffer.from('sound'));
    conversation.said('two', Buffer.from('sound'));
    conversation.server({
      type: 'conversation.item.input_audio_transcription.completed',
      item_id: 'one',
      transcript: 'Hello.',
    });
    expect(conversation.replay().items.map(({ content }) => content)).toEqual([
      [{ type: 'input_text', text: 'Hello.' }],
      [{ type: 'input_audio', audio: Buffer.from('sound').toString('base64') }],
      [{ type: 'input_text', text: expect.stringContaining('not known any more') }],
    ]);
  });

  it('has of an answer what was said of it, and of a truncated one what was heard', () => {
    const conversation = new Conversation();
    const spoken = { type: 'output_audio', transcript: 'One two three four five six.' };
    conversation.server(added(message('whole', 'assistant', [spoken])));
    const heard = { item_id: 'whole', content_index: 0, audio_end_ms: 600 };
    conversation.server({ type: 'conversation.item.truncated', ...heard });
    conversation.server(open());
    conversation.server(added(message('cut', 'assistant', [])));
    conversation.delta(words('cut', 'I was '));
    conversation.delta(words('cut', 'saying'));
    expect(conversation.needsResponse).toBe(true);
    conversation.cut();
    expect(texts(conversation)).toEqual(['One two', 'I was saying']);
    expect(conversation.open).toEqual([]);
  });

  it('asks for nothing where a function was called: its result will come', () => {
    const conversation = new Conversation();
    const call = { id: 'f', type: 'function_call', call_id: 'c', name: 'n', arguments: '{}' };
    conversation.server(open());
    conversation.server(added({ ...call, status: 'in_progress', arguments: '' }));
    expect(conversation.needsResponse).toBe(true);
    expect(conversation.replay()).toEqual({ items: [], leftOut: 1 });
    conversation.server({
      type: 'response.output_item.done',
      response_id: 'resp_1',
      item: { ...call, status: 'completed' },
    });
    expect(conversation.needsResponse).toBe(false);
    expect(conversation.replay()).toEqual({ items: [call], leftOut: 0 });
  });

  it('knows a call by its arguments, on which many a client acts before the call is done', () => {
    const conversation = new Conversation();
    const call = { id: 'f', type: 'function_call', call_id: 'c', name: 'n', arguments: '' };
    conversation.server(open());
    conversation.server(added({ ...call, status: 'in_progress' }));
    conversation.server({
      type: 'response.function_call_arguments.done',
      item_id: 'f',
      call_id: 'c',
      arguments: '{"a":1}',
    });
    expect(conversation.needsResponse).toBe(false);
    expect(conversation.replay().items).toEqual([{ ...call, arguments: '{"a":1}' }]);
  });

  it('asks for nothing where the answer was whole and only its end is missing', () => {
    const conversation = new Conversation();
    const item = message('a', 'assistant', [{ type: 'output_text', text: 'All of it.' }]);
    conversation.server(open());
    conversation.server({ type: 'response.output_item.added', item: { ...item, content: [] } });
    conversation.server(added({ ...item, content: [] }));
    expect(conversation.needsResponse).toBe(true);
    conversation.server({ type: 'response.output_item.done', item });
    expect(conversation.needsResponse).toBe(false);
    conversation.server({ type: 'response.output_item.added', item: { ...item, id: 'b' } });
    expect(conversation.needsResponse).toBe(true);
  });

  it('asks for nothing while the user speaks, nor for answers outside of it', () => {
    const conversation = new Conversation();
    const aside = { id: 'aside', conversation_id: null };
    conversation.server({ type: 'response.created', response: aside });
    expect(conversation.needsResponse).toBe(false);
    // Its client waits for its end all the same.
    expect(conversation.open).toEqual([aside]);
    expect(conversation.isQuiet).toBe(false);
    conversation.server(open());
    conversation.server({ type: 'input_audio_buffer.speech_started', item_id: 'x' });
    expect(conversation.needsResponse).toBe(false);
  });

  it.each([
    [{ type: 'server_vad', create_response: true }, true],
    [{ type: 'semantic_vad' }, true],
    [{ type: 'server_vad', create_response: false }, false],
    [null, false],
  ])('owes an answer to what was heard with %j: %s', (turn_detection, isOwed) => {
    const conversation = new Conversation();
    const session = { audio: { input: { turn_detection } } };
    conversation.server({ type: 'session.updated', session });
    conversation.server({ type: 'input_audio_buffer.committed', item_id: 'i' });
    expect(conversation.needsResponse).toBe(isOwed);
    expect(conversation.isQuiet).toBe(!isOwed);
    conversation.server(open());
    conversation.server({ type: 'response.done', response: { id: 'resp_1' } });
    expect(conversation.needsResponse).toBe(false);
  });

  it('leaves out an item that was too long to be read', () => {
    const conversation = new Conversation();
    conversation.server(added(message('long', 'user', [{ type: 'input_text', text: 'cu' }])), true);
    expect(conversation.replay()).toEqual({ items: [], leftOut: 1 });
  });

  it('forgets the oldest beyond its bound, and counts them', () => {
    const conversation = new Conversation();
    const text = 'x'.repeat(1024 * 1024);
    for (let n = 0; n < 10; n += 1) {
      conversation.server(added(message(`${n}`, 'user', [{ type: 'input_text', text }])));
    }
    const { items, leftOut } = conversation.replay();
    expect(items.map(({ id }) => id)).toEqual(['7', '8', '9']);
    expect(leftOut).toBe(7);
  });
});

describe('what is not answered', () => {
  const append = (audio: string) =>
    Buffer.from(JSON.stringify({ type: 'input_audio_buffer.append', audio }));
  const sound = (text: string) => append(Buffer.from(text).toString('base64'));

  it('leaves with its answer, or with the error that names it', () => {
    const input = new Unanswered();
    for (const type of ['session.update', 'conversation.item.create', 'response.create']) {
      input.event(JSON.stringify({ type, event_id: `event of ${type}` }));
    }
    input.event(JSON.stringify({ type: 'response.cancel' }));
    expect(input.texts()).toHaveLength(3);
    expect(input.asksForResponse).toBe(true);
    input.server({ type: 'response.created' });
    input.server({ type: 'error', error: { event_id: 'event of session.update' } });
    expect(input.texts().map(text => JSON.parse(text).type)).toEqual(['conversation.item.create']);
  });

  it('leaves with an error that names no event: by what it is about, else the oldest', () => {
    const input = new Unanswered();
    for (const type of ['session.update', 'response.create', 'input_audio_buffer.commit']) {
      input.event(JSON.stringify({ type }));
    }
    const left = () => input.texts().map(text => JSON.parse(text).type);
    const refuse = (code: string | null) => input.server({ type: 'error', error: { code } });
    refuse('input_audio_buffer_commit_empty');
    expect(left()).toEqual(['session.update', 'response.create']);
    refuse('conversation_already_has_active_response');
    expect(left()).toEqual(['session.update']);
    refuse(null);
    expect(left()).toEqual([]);
  });

  it('keeps audio in its order where the provider stops listening by itself', () => {
    const input = new Unanswered();
    input.audio(sound('one'), 0);
    input.server({
      type: 'session.updated',
      session: { audio: { input: { turn_detection: null } } },
    });
    input.audio(sound('two'), 0);
    expect(input.texts()).toEqual([sound('one').toString(), sound('two').toString()]);
  });

  it('counts an event as lost that was too long to be kept whole', () => {
    const input = new Unanswered();
    input.event('{"type":"conversation.item.create"}', true);
    expect(input.texts()).toEqual([]);
    expect(input.lost).toBe(1);
  });

  it('gives the audio that was committed to the item, and keeps what came later', () => {
    const input = new Unanswered();
    input.server({
      type: 'session.updated',
      session: { audio: { input: { turn_detection: null } } },
    });
    input.audio(sound('one'), 0);
    input.audio(sound('two'), 0);
    input.event('{"type":"input_audio_buffer.commit"}');
    input.audio(sound('three'), 0);
    const committed = input.server({ type: 'input_audio_buffer.committed', item_id: 'i' });
    expect(committed?.toString()).toBe('onetwo');
    expect(input.texts()).toEqual([sound('three').toString()]);
  });

  it('splits what the provider heard by itself where the user fell silent', () => {
    const input = new Unanswered();
    input.server({ type: 'input_audio_buffer.speech_started' });
    input.audio(sound('said'), 0);
    input.server({ type: 'input_audio_buffer.speech_stopped' });
    input.audio(sound('later'), 0);
    const committed = input.server({ type: 'input_audio_buffer.committed', item_id: 'i' });
    expect(committed?.toString()).toBe('said');
    expect(input.texts()).toEqual([sound('later').toString()]);
  });

  it('is bounded, and counts what it loses', () => {
    const input = new Unanswered();
    input.server({ type: 'input_audio_buffer.speech_started' });
    const long = append('A'.repeat(1024 * 1024));
    for (let n = 0; n < 6; n += 1) input.audio(long, 0);
    input.audio(null, 0);
    expect(input.texts()).toHaveLength(3);
    expect(input.lost).toBe(4);
  });
});
