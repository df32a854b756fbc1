import { describe, expect, it } from 'vitest';
import { checkEvent } from '../platform/log/index.ts';
import { clientLogEvent, serverLogEvent } from './log-events.ts';
import type { Json } from './preview/session.ts';
import { SessionTap } from './tap.ts';

/** One of each, as the provider writes them. */
const SERVER_EVENTS: Json[] = [
  {
    type: 'session.updated',
    session: {
      instructions: 'secret',
      output_modalities: ['audio'],
      tools: [{ type: 'function', name: 'f' }, { type: 'mcp' }],
      audio: { output: { voice: 'alloy' } },
    },
  },
  { type: 'input_audio_buffer.speech_started', audio_start_ms: 5, item_id: 'i' },
  { type: 'input_audio_buffer.speech_stopped', audio_end_ms: 9, item_id: 'i' },
  {
    type: 'conversation.item.added',
    item: { id: 'i', type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
  },
  { type: 'conversation.item.added', item: { id: 'i', type: 'function_call', name: 'f' } },
  { type: 'conversation.item.truncated', item_id: 'i', audio_end_ms: 10 },
  {
    type: 'conversation.item.input_audio_transcription.completed',
    item_id: 'i',
    transcript: 'said',
    usage: { type: 'duration', seconds: 2.5 },
  },
  {
    type: 'response.output_audio_transcript.done',
    item_id: 'i',
    response_id: 'r',
    transcript: 'a',
  },
  { type: 'response.output_text.done', item_id: 'i', response_id: 'r', text: 'a' },
  {
    type: 'response.function_call_arguments.done',
    item_id: 'i',
    call_id: 'c',
    name: 'f',
    arguments: '{}',
  },
  {
    type: 'response.done',
    response: {
      id: 'r',
      status: 'cancelled',
      status_details: { type: 'cancelled', reason: 'turn_detected' },
      usage: {
        total_tokens: 30,
        input_tokens: 10,
        output_tokens: 20,
        input_token_details: { audio_tokens: 8, cached_tokens: 2 },
        output_token_details: { audio_tokens: 15 },
      },
    },
  },
  {
    type: 'response.done',
    response: {
      id: 'r',
      status: 'failed',
      status_details: { type: 'failed', error: { type: 'server_error', code: 'c', message: 'm' } },
    },
  },
  {
    type: 'conversation.item.input_audio_transcription.failed',
    item_id: 'i',
    error: { type: 'server_error', code: null, message: 'words', param: null },
  },
  { type: 'response.mcp_call.failed', item_id: 'i', output_index: 0 },
  { type: 'mcp_list_tools.failed', item_id: 'i' },
  {
    type: 'rate_limits.updated',
    rate_limits: [{ name: 'tokens', limit: 9, remaining: 3, reset_seconds: 1.5 }],
  },
  { type: 'error', error: { type: 'server_error', code: null, message: 'private words' } },
];

describe('what the log keeps', () => {
  it.each(SERVER_EVENTS)('$type fits the catalogue', event => {
    const logged = serverLogEvent(event);
    expect(logged).not.toBeNull();
    expect(() => checkEvent(logged!)).not.toThrow();
  });

  it.each(SERVER_EVENTS.map(event => ({ type: event.type })))(
    '$type without its fields still fits, or is left out',
    event => {
      const logged = serverLogEvent(event);
      if (logged !== null) expect(() => checkEvent(logged)).not.toThrow();
    },
  );

  it.each(
    SERVER_EVENTS.map(event =>
      Object.fromEntries(
        Object.keys(event).map(k => [k, k === 'type' ? event.type : { deep: [1] }]),
      ),
    ),
  )('$type with wrong fields still fits, or is left out', event => {
    const logged = serverLogEvent(event);
    if (logged !== null) expect(() => checkEvent(logged)).not.toThrow();
  });

  it('keeps texts private', () => {
    const words = ['secret', 'hi', 'said', 'private words'];
    for (const event of SERVER_EVENTS) {
      const shown = JSON.stringify(serverLogEvent(event)?.data ?? {});
      for (const word of words) expect(shown).not.toContain(`"${word}"`);
    }
  });

  it.each([
    'response.output_audio.delta',
    'session.created',
    'response.created',
    'constructor',
    '__proto__',
  ])('leaves %s out', type => {
    expect(serverLogEvent({ type, delta: 'AAAA' })).toBeNull();
  });

  it('keeps what a function returned', () => {
    const item = { type: 'function_call_output', call_id: 'c', output: 'done' };
    const logged = clientLogEvent({ type: 'conversation.item.create', item });
    expect(logged).toEqual({
      type: 'tool.returned',
      data: { call_id: 'c' },
      private: { output: 'done' },
    });
    expect(
      clientLogEvent({ type: 'conversation.item.create', item: { type: 'message' } }),
    ).toBeNull();
    expect(clientLogEvent({ type: 'input_audio_buffer.append', audio: 'AAAA' })).toBeNull();
  });
});

describe('the tap', () => {
  function listen() {
    const seen = {
      recorded: [] as string[],
      created: [] as unknown[],
      voices: [] as string[],
      unread: [] as string[],
    };
    const account = {
      model: 'm',
      add: () => 0,
      addUnreported() {},
      turn() {},
      isLimited: false,
      reserving: undefined,
    };
    const tap = new SessionTap(
      {
        record: event => void seen.recorded.push(event.type),
        onCreated: session => void seen.created.push(session),
        onVoice: voice => void seen.voices.push(voice),
        onUnread: () => void seen.unread.push('unread'),
      },
      account,
    );
    return { tap, seen };
  }

  it("tells once of the upstream's session, with its own expiry", () => {
    const { tap, seen } = listen();
    const created = { type: 'session.created', session: { id: 's', expires_at: 1_800_000_000 } };
    tap.server(JSON.stringify(created));
    tap.server(JSON.stringify(created));
    expect(seen.created).toEqual([{ id: 's', expiresAtS: 1_800_000_000, voice: null }]);
    expect(seen.recorded).toEqual(['session.upstream_created']);
  });

  it.each([1e300, -1, 'soon', null])('does not believe that it expires at %j', expires_at => {
    const { tap, seen } = listen();
    tap.server(JSON.stringify({ type: 'session.created', session: { id: 's', expires_at } }));
    expect(seen.created).toMatchObject([{ expiresAtS: null }]);
  });

  it('notices expiry and a change of voice', () => {
    const { tap, seen } = listen();
    const session = { audio: { output: { voice: 'echo' } } };
    tap.server(JSON.stringify({ type: 'session.updated', session }));
    tap.server(JSON.stringify({ type: 'session.updated', session }));
    expect(seen.voices).toEqual(['echo']);
    expect(tap.upstreamExpired).toBe(false);
    tap.server(JSON.stringify({ type: 'error', error: { code: 'session_expired' } }));
    expect(tap.upstreamExpired).toBe(true);
  });

  it.each(['', '{', 'null', '[]', '{"type":7}'])('records nothing of %s', text => {
    const { tap, seen } = listen();
    tap.server(text);
    tap.client(`function_call_output ${text}`);
    expect(seen.recorded).toEqual([]);
  });

  it('tells of an event that it could not read, for its usage is lost', () => {
    const { tap, seen } = listen();
    const output = Array.from({ length: 60_000 }, () => ({}));
    tap.server(JSON.stringify({ type: 'response.done', response: { output } }));
    tap.server('{');
    expect(seen.unread).toHaveLength(2);
  });
});
