import { describe, expect, it } from 'vitest';
import {
  applyEvent,
  applyTool,
  TURN_TEXT_MAX_CHARS,
  TURNS_MAX,
  type Turn,
} from './conversation.ts';
import type { ServerEvent } from './events.ts';

function after(...events: ServerEvent[]): readonly Turn[] {
  return events.reduce<readonly Turn[]>((turns, event) => applyEvent(turns, event, 1000), []);
}
const delta = (item_id: string, text: string): ServerEvent => ({
  type: 'response.output_audio_transcript.delta',
  item_id,
  delta: text,
});
const spoken = (item_id: string): ServerEvent => ({
  type: 'input_audio_buffer.speech_started',
  item_id,
});
const said = (item_id: string, transcript: string): ServerEvent => ({
  type: 'conversation.item.input_audio_transcription.completed',
  item_id,
  transcript,
});

describe('applyEvent', () => {
  it('places the user before the answer although the transcript comes later', () => {
    const turns = after(spoken('u1'), delta('a1', 'Hel'), delta('a1', 'lo'), said('u1', 'Hi'));
    expect(turns.map(turn => [turn.role, turn.text, turn.final])).toEqual([
      ['user', 'Hi', true],
      ['assistant', 'Hello', false],
    ]);
  });

  it('shows a typed message as it comes back, once', () => {
    const item = { id: 'u1', type: 'message', role: 'user', content: [{ text: 'Hi' }] };
    const turns = after(
      { type: 'conversation.item.added', item },
      { type: 'conversation.item.done', item },
    );
    expect(turns).toMatchObject([{ role: 'user', text: 'Hi', final: true, startedAt: 1000 }]);
  });

  it('keeps the final text, and ends a turn that was cut off', () => {
    const whole = { type: 'response.output_text.done', item_id: 'a1', text: 'Hello.' };
    expect(after(delta('a1', 'Hel'), whole)[0]).toMatchObject({ text: 'Hello.', final: true });
    const cut = after(
      delta('a1', 'Hel'),
      { type: 'conversation.item.truncated', item_id: 'a1', audio_end_ms: 5 },
      { type: 'response.done', response: { output: [{ id: 'a1' }] } },
    );
    expect(cut[0]).toMatchObject({ text: 'Hel', final: true, interrupted: true });
  });

  it('ends a turn whose transcription failed', () => {
    const failed = {
      type: 'conversation.item.input_audio_transcription.failed',
      item_id: 'u1',
    };
    expect(after(spoken('u1'), failed)[0]).toMatchObject({ text: '', final: true });
  });

  it('keeps the turns on events that do not concern them', () => {
    const turns = after(delta('a1', 'x'));
    for (const event of [
      { type: 'rate_limits.updated' },
      { type: 'response.output_text.delta' },
      { type: 'input_audio_buffer.speech_started' },
      { type: 'conversation.item.added', item: { id: 'f', type: 'function_call' } },
      { type: 'conversation.item.input_audio_transcription.completed' },
    ]) {
      expect(applyEvent(turns, event, 0)).toBe(turns);
    }
  });

  it('keeps no more than its limits', () => {
    const many = Array.from({ length: TURNS_MAX + 10 }, (_, i) => delta(`a${i}`, 'x'));
    const turns = after(...many);
    expect(turns).toHaveLength(TURNS_MAX);
    expect(turns[0]?.id).toBe('a10');
    const long = after(delta('a', 'x'.repeat(TURN_TEXT_MAX_CHARS)), delta('a', 'more'));
    expect(long[0]?.text).toHaveLength(TURN_TEXT_MAX_CHARS);
  });
});

describe('applyTool', () => {
  it('shows a call from its start to its output', () => {
    const call = { name: 'f', callId: 'c', arguments: '{}', output: '' };
    const running = applyTool([], 'i1', { ...call, status: 'running' }, 5);
    expect(running).toMatchObject([{ role: 'tool', final: false, startedAt: 5 }]);
    const done = applyTool(running, 'i1', { ...call, status: 'done', output: '1' }, 9);
    expect(done).toMatchObject([{ final: true, startedAt: 5, tool: { output: '1' } }]);
  });
});
