import { describe, expect, it } from 'vitest';
import { INITIAL_FACTS, stateOf, transition, type VoiceSignal } from './state.ts';

/** The word after each signal. */
function words(...signals: (VoiceSignal | VoiceSignal['type'])[]): string[] {
  let facts = INITIAL_FACTS;
  return signals.map(signal => {
    facts = transition(
      facts,
      typeof signal === 'string' ? ({ type: signal } as VoiceSignal) : signal,
    );
    return stateOf(facts);
  });
}

const started: VoiceSignal = { type: 'response_started', id: 'r1' };
const done: VoiceSignal = { type: 'response_done', id: 'r1' };
const playing = (value: boolean): VoiceSignal => ({ type: 'playing', playing: value });

describe('the words of a voice session', () => {
  it('go through one turn', () => {
    const turn = [started, playing(true), done, playing(false)];
    expect(words('start', 'open', 'user_started', 'user_stopped', ...turn)).toEqual([
      'connecting',
      'listening',
      'listening',
      'thinking',
      'thinking',
      'speaking',
      'speaking',
      'listening',
    ]);
  });

  it('listen as soon as the user breaks in', () => {
    expect(words('start', 'open', started, playing(true), 'user_started').at(-1)).toBe('listening');
  });

  it('think while a tool runs and until the next answer', () => {
    const running: VoiceSignal = { type: 'tools_running', count: 1 };
    const ran: VoiceSignal = { type: 'tools_running', count: 0 };
    expect(words('start', 'open', started, running, done, ran, 'answer_asked').slice(2)).toEqual([
      'thinking',
      'thinking',
      'thinking',
      'listening',
      'thinking',
    ]);
  });

  it('do not wait for an answer that the model will not give', () => {
    const quiet: VoiceSignal = { type: 'answers_by_self', value: false };
    expect(words('start', 'open', quiet, 'user_started', 'user_stopped').at(-1)).toBe('listening');
    expect(words('start', 'open', 'answer_asked', 'answer_refused').at(-1)).toBe('listening');
  });

  it('keep two answers apart', () => {
    const second: VoiceSignal = { type: 'response_started', id: 'r2' };
    expect(words('start', 'open', started, second, done).at(-1)).toBe('thinking');
  });

  it('end once, and nothing changes what is final', () => {
    expect(words('start', 'close', 'fail', 'open', started)).toEqual([
      'connecting',
      'ended',
      'ended',
      'ended',
      'ended',
    ]);
    expect(words('start', 'open', 'fail', 'close').at(-1)).toBe('failed');
  });

  it('stay `idle` before the start', () => {
    expect(words('open', 'user_started', 'close')).toEqual(['idle', 'idle', 'idle']);
    const facts = transition(transition(INITIAL_FACTS, { type: 'start' }), { type: 'open' });
    expect(transition(facts, playing(false))).toBe(facts);
  });
});
