import { describe, expect, it } from 'vitest';
import { clientEventToGa, serverEventToPreview } from './events.ts';
import { type Json, sessionToGa, sessionToPreview, shapeOf, Untranslatable } from './session.ts';
import { eitherHooks, previewHooks } from './translate.ts';

function paramOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof Untranslatable) return error.param;
  }
  throw new Error('nothing was refused');
}

describe('session, preview → GA', () => {
  it('nests every field', () => {
    expect(
      sessionToGa({
        modalities: ['text', 'audio'],
        instructions: 'i',
        voice: 'alloy',
        input_audio_format: 'pcm16',
        output_audio_format: 'g711_ulaw',
        input_audio_transcription: { model: 'whisper-1' },
        input_audio_noise_reduction: null,
        turn_detection: { type: 'server_vad' },
        tools: [],
        tool_choice: 'auto',
        temperature: 0.8,
        max_response_output_tokens: 'inf',
        speed: 1.2,
      }),
    ).toEqual({
      type: 'realtime',
      output_modalities: ['audio'],
      instructions: 'i',
      audio: {
        input: {
          format: { type: 'audio/pcm', rate: 24_000 },
          transcription: { model: 'whisper-1' },
          noise_reduction: null,
          turn_detection: { type: 'server_vad' },
        },
        output: { voice: 'alloy', format: { type: 'audio/pcmu' }, speed: 1.2 },
      },
      tools: [],
      tool_choice: 'auto',
      max_output_tokens: 'inf',
    });
  });

  it.each([
    [{ modalities: ['text'] }, { type: 'realtime', output_modalities: ['text'] }],
    [{ modalities: ['audio'] }, { type: 'realtime', output_modalities: ['audio'] }],
    [
      { input_audio_format: 'g711_alaw' },
      { type: 'realtime', audio: { input: { format: { type: 'audio/pcma' } } } },
    ],
    [{ turn_detection: null }, { type: 'realtime', audio: { input: { turn_detection: null } } }],
    [{}, { type: 'realtime' }],
  ])('%j', (flat, nested) => {
    expect(sessionToGa(flat)).toEqual(nested);
  });

  it.each([
    [{ temperature: 1.1, instructions: 'i' }, ['session.temperature']],
    [{ audio: {}, logprobs: true, instructions: 'i' }, ['session.audio', 'session.logprobs']],
    [{ temperature: 0.8, id: 'sess_1', instructions: 'i' }, []],
  ])('applies the rest of %j', (flat, names) => {
    const leftOut: string[] = [];
    expect(sessionToGa(flat, 'session', leftOut)).toEqual({ type: 'realtime', instructions: 'i' });
    expect(leftOut).toEqual(names);
  });

  it.each([
    [{ type: 'realtime' }, 'ga'],
    [{ output_modalities: ['text'] }, 'ga'],
    [{ modalities: ['text'] }, 'preview'],
    [{ voice: 'alloy', instructions: 'i' }, 'preview'],
    [{ instructions: 'i', tools: [] }, undefined],
    [{}, undefined],
  ])('%j is written in %s', (session, shape) => {
    expect(shapeOf(session as Json)).toBe(shape);
  });

  it.each([
    [{ modalities: ['video'] }, 'session.modalities'],
    [{ modalities: [] }, 'session.modalities'],
    [{ output_audio_format: 'opus' }, 'session.output_audio_format'],
    [{ input_audio_format: 'constructor' }, 'session.input_audio_format'],
  ])('refuses %j by name', (flat, param) => {
    expect(paramOf(() => sessionToGa(flat as Json))).toBe(param);
  });
});

describe('session, GA → preview', () => {
  it('is undone by the way back', () => {
    const flat = {
      modalities: ['text', 'audio'],
      instructions: 'i',
      voice: 'alloy',
      input_audio_format: 'pcm16',
      output_audio_format: 'g711_alaw',
      input_audio_transcription: { model: 'whisper-1' },
      input_audio_noise_reduction: { type: 'near_field' },
      turn_detection: { type: 'server_vad' },
      tools: [{ type: 'function', name: 'f' }],
      tool_choice: 'auto',
      temperature: 0.8,
      max_response_output_tokens: 100,
      speed: 1.5,
    };
    expect(sessionToPreview(sessionToGa(flat))).toMatchObject(flat);
  });

  it("fills in the preview's own defaults", () => {
    expect(sessionToPreview({ id: 'sess_1', model: 'm', expires_at: 5 })).toEqual({
      id: 'sess_1',
      object: 'realtime.session',
      model: 'm',
      expires_at: 5,
      modalities: ['text', 'audio'],
      instructions: '',
      voice: null,
      input_audio_format: 'pcm16',
      output_audio_format: 'pcm16',
      input_audio_transcription: null,
      input_audio_noise_reduction: null,
      turn_detection: {
        type: 'server_vad',
        threshold: 0.5,
        prefix_padding_ms: 300,
        silence_duration_ms: 200,
      },
      tools: [],
      tool_choice: 'auto',
      temperature: 0.8,
      max_response_output_tokens: 'inf',
    });
  });
});

describe('client events', () => {
  it('nests what a response asks for', () => {
    const event = {
      type: 'response.create',
      event_id: 'e',
      response: {
        modalities: ['text'],
        voice: 'echo',
        max_output_tokens: 5,
        metadata: { a: 'b' },
        conversation: 'none',
        input: [{ type: 'message', role: 'assistant', content: [{ type: 'text', text: 't' }] }],
      },
    };
    expect(clientEventToGa(event)).toEqual({
      type: 'response.create',
      event_id: 'e',
      response: {
        output_modalities: ['text'],
        audio: { output: { voice: 'echo' } },
        max_output_tokens: 5,
        metadata: { a: 'b' },
        conversation: 'none',
        input: [
          { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 't' }] },
        ],
      },
    });
  });

  it("renames an assistant's parts and nobody else's", () => {
    const create = (role: string, type: string) => ({
      type: 'conversation.item.create',
      item: { type: 'message', role, content: [{ type, text: 't' }] },
    });
    expect(clientEventToGa(create('assistant', 'text'))).toEqual(
      create('assistant', 'output_text'),
    );
    expect(clientEventToGa(create('user', 'input_text'))).toEqual(create('user', 'input_text'));
  });

  it.each(['response.cancel', 'input_audio_buffer.commit', 'conversation.item.truncate'])(
    'leaves %s as it is',
    type => {
      const event = { type, event_id: 'e', item_id: 'i' };
      expect(clientEventToGa(event)).toEqual(event);
    },
  );

  it.each([
    [{ type: 'nonsense' }, 'type'],
    [{}, 'type'],
    [{ type: 'session.update', session: { modalities: [] } }, 'session.modalities'],
    [{ type: 'response.create', response: { modalities: [] } }, 'response.modalities'],
  ])('refuses %j by name', (event, param) => {
    expect(paramOf(() => clientEventToGa(event as Json))).toBe(param);
  });
});

describe('server events', () => {
  it.each([
    ['response.output_audio.delta', 'response.audio.delta'],
    ['response.output_audio.done', 'response.audio.done'],
    ['response.output_audio_transcript.delta', 'response.audio_transcript.delta'],
    ['response.output_audio_transcript.done', 'response.audio_transcript.done'],
    ['response.output_text.delta', 'response.text.delta'],
    ['response.output_text.done', 'response.text.done'],
    ['conversation.item.added', 'conversation.item.created'],
  ])('%s becomes %s', (ga, preview) => {
    const rest = { event_id: 'e', item_id: 'i', delta: 'd' };
    expect(serverEventToPreview({ type: ga, ...rest })).toEqual({ type: preview, ...rest });
  });

  it.each([
    'conversation.item.done',
    'input_audio_buffer.timeout_triggered',
    'mcp_list_tools.completed',
    'response.mcp_call.in_progress',
  ])('%s does not exist for preview clients', type => {
    expect(serverEventToPreview({ type })).toBeNull();
  });

  it.each([
    'error',
    'rate_limits.updated',
    'input_audio_buffer.speech_started',
    'holdfast.session',
  ])('%s stays as it is', type => {
    const event = { type, event_id: 'e', session: type === 'holdfast.session' ? { id: 's' } : 1 };
    expect(serverEventToPreview(event)).toEqual(event);
  });

  it('is not fooled by names that every object has', () => {
    const part = { type: 'constructor' };
    expect(serverEventToPreview({ type: 'constructor' })).toBeNull();
    expect(serverEventToPreview({ type: 'response.content_part.added', part })).toMatchObject({
      part,
    });
  });

  it('flattens a session and renames parts wherever they stand', () => {
    const audio = { type: 'output_audio', transcript: 't' };
    const item = { id: 'i', object: 'realtime.item', role: 'assistant', content: [audio] };
    const old = { ...item, content: [{ type: 'audio', transcript: 't' }] };
    expect(
      serverEventToPreview({ type: 'session.updated', session: { id: 's', instructions: 'x' } }),
    ).toMatchObject({ session: { id: 's', instructions: 'x', input_audio_format: 'pcm16' } });
    expect(serverEventToPreview({ type: 'conversation.item.added', item })).toMatchObject({
      item: old,
    });
    expect(
      serverEventToPreview({ type: 'response.content_part.added', part: audio }),
    ).toMatchObject({ part: { type: 'audio' } });
    expect(
      serverEventToPreview({
        type: 'response.done',
        response: {
          id: 'r',
          output: [item],
          output_modalities: ['audio'],
          audio: { output: { voice: 'alloy', format: { type: 'audio/pcmu' } } },
          usage: { total_tokens: 3 },
        },
      }),
    ).toEqual({
      type: 'response.done',
      response: {
        id: 'r',
        output: [old],
        modalities: ['text', 'audio'],
        voice: 'alloy',
        output_audio_format: 'g711_ulaw',
        usage: { total_tokens: 3 },
      },
    });
  });
});

function listened(make = previewHooks) {
  const told: Json[] = [];
  return { told, hooks: make(event => told.push(JSON.parse(event) as Json)) };
}

describe('hooks where the client does not say what it speaks', () => {
  const audio = '{"type":"response.output_audio.delta","delta":"AAAA"}';
  const update = (session: Json) => JSON.stringify({ type: 'session.update', session });

  it('are GA until an update that only the preview has', () => {
    const { hooks, told } = listened(eitherHooks);
    const ga = update({ type: 'realtime', instructions: 'i' });
    expect(hooks.rewriteClientMessage(ga)).toEqual([ga]);
    expect(hooks.rewriteServerMessage(audio)).toEqual([audio]);
    const [text = ''] = hooks.rewriteClientMessage(update({ voice: 'alloy', temperature: 1 }));
    expect(JSON.parse(text)).toEqual({
      type: 'session.update',
      session: { type: 'realtime', audio: { output: { voice: 'alloy' } } },
    });
    expect(told).toMatchObject([{ type: 'holdfast.warning' }]);
    expect(hooks.rewriteServerMessage(audio)).toEqual([
      '{"type":"response.audio.delta","delta":"AAAA"}',
    ]);
  });

  it('give an update that fits both its type, and stay GA', () => {
    const { hooks } = listened(eitherHooks);
    expect(hooks.rewriteClientMessage(update({ instructions: 'i' }))).toEqual([
      update({ type: 'realtime', instructions: 'i' }),
    ]);
    expect(hooks.rewriteServerMessage(audio)).toEqual([audio]);
  });

  it.each([
    'not json session.update',
    '{"type":"session.update"}',
    '{"type":"session.update","session":null}',
    '{"type":"response.create","response":{"instructions":"session.update"}}',
  ])('pass %s on as it is', text => {
    expect(listened(eitherHooks).hooks.rewriteClientMessage(text)).toEqual([text]);
  });
});

describe('hooks', () => {
  it('rename audio without parsing it', () => {
    const { rewriteServerMessage } = previewHooks(() => {});
    const text = '{"type":"response.output_audio.delta","delta":"AAAA" }';
    expect(rewriteServerMessage(text)).toEqual(['{"type":"response.audio.delta","delta":"AAAA" }']);
    expect(rewriteServerMessage('{"event_id":"e","type":"response.output_audio.delta"}')).toEqual([
      '{"event_id":"e","type":"response.audio.delta"}',
    ]);
  });

  it('refuse by name, with an error event for the client', () => {
    const { hooks, told } = listened();
    const text = '{"type":"session.update","event_id":"e1","session":{"modalities":["smell"]}}';
    expect(hooks.rewriteClientMessage(text)).toEqual([]);
    expect(told).toMatchObject([
      { type: 'error', error: { param: 'session.modalities', event_id: 'e1' } },
    ]);
  });

  it.each([
    ['session.update', 'session'],
    ['response.create', 'response'],
  ])('apply the rest of a %s and warn of what GA has not', (type, part) => {
    const { hooks, told } = listened();
    const own = { instructions: 'i', tools: [], temperature: 1.1 };
    const [text = ''] = hooks.rewriteClientMessage(
      JSON.stringify({ type, event_id: 'e1', [part]: own }),
    );
    const { temperature: _, ...rest } = own;
    expect(JSON.parse(text)).toMatchObject({ type, event_id: 'e1', [part]: rest });
    expect(text).not.toContain('temperature');
    const params = [`${part}.temperature`];
    expect(told).toMatchObject([
      { type: 'holdfast.warning', warning: { code: 'field_not_applied', params, event_id: 'e1' } },
    ]);
  });

  it('name a bounded number of fields, each cut', () => {
    const { hooks, told } = listened();
    const names = Array.from({ length: 50 }, (_, n) => `x${n}${'y'.repeat(500)}`);
    const session = Object.fromEntries(names.map(name => [name, 1]));
    hooks.rewriteClientMessage(JSON.stringify({ type: 'session.update', session }));
    const { params } = told[0]!.warning as { params: string[] };
    expect(params).toHaveLength(20);
    expect(Math.max(...params.map(name => name.length))).toBe(100);
  });

  it('leave a session alone that is written in GA already', () => {
    const { hooks, told } = listened();
    const text = JSON.stringify({ type: 'session.update', session: { type: 'realtime' } });
    expect(hooks.rewriteClientMessage(text)).toEqual([text]);
    expect(told).toEqual([]);
  });

  it.each(['not json', '[1]', '"x"', '7'])('pass %s on, for the upstream to answer', text => {
    const hooks = previewHooks(() => {});
    expect(hooks.rewriteClientMessage(text)).toEqual([text]);
    expect(hooks.rewriteServerMessage(text)).toEqual([text]);
  });
});
