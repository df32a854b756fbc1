/**
 * The life of a voice session, in the words a person is shown:
 *
 *   idle ─start─▶ connecting ─open─▶ listening ⇄ thinking ⇄ speaking ─close─▶ ended
 *                     └──────────────── fail (from any but the last two) ───▶ failed
 *
 * While open, the word follows from facts and not from the order of events, because the model's
 * audio arrives faster than it plays and one answer may begin while another still sounds:
 * `listening` while the user speaks, else `speaking` while sound plays, else `thinking` while an
 * answer is awaited or made or a tool runs, else `listening`. `ended` and `failed` are final.
 */
export const VOICE_STATES = [
  'idle',
  'connecting',
  'listening',
  'thinking',
  'speaking',
  'ended',
  'failed',
] as const;
export type VoiceState = (typeof VOICE_STATES)[number];

export interface VoiceFacts {
  readonly phase: 'idle' | 'connecting' | 'open' | 'ended' | 'failed';
  readonly userSpeaking: boolean;
  /** The user has finished, or asked in writing, and no answer has begun. */
  readonly awaitingAnswer: boolean;
  /** Answers the model is making now. */
  readonly responses: ReadonlySet<string>;
  readonly playing: boolean;
  readonly toolsRunning: number;
  /** Whether the model answers by itself when the user stops speaking. */
  readonly answersBySelf: boolean;
}

export const INITIAL_FACTS: VoiceFacts = {
  phase: 'idle',
  userSpeaking: false,
  awaitingAnswer: false,
  responses: new Set(),
  playing: false,
  toolsRunning: 0,
  answersBySelf: true,
};

export type VoiceSignal =
  | { type: 'start' | 'open' | 'close' | 'fail' }
  | { type: 'user_started' | 'user_stopped' | 'answer_asked' | 'answer_refused' }
  | { type: 'response_started' | 'response_done'; id: string }
  | { type: 'playing'; playing: boolean }
  | { type: 'tools_running'; count: number }
  | { type: 'answers_by_self'; value: boolean };

/** The facts after `signal`; the same object where it changes nothing. */
export function transition(facts: VoiceFacts, signal: VoiceSignal): VoiceFacts {
  if (signal.type === 'start') {
    return facts.phase === 'idle' ? { ...INITIAL_FACTS, phase: 'connecting' } : facts;
  }
  const alive = facts.phase === 'connecting' || facts.phase === 'open';
  if (signal.type === 'close') return alive ? { ...INITIAL_FACTS, phase: 'ended' } : facts;
  if (signal.type === 'fail') return alive ? { ...INITIAL_FACTS, phase: 'failed' } : facts;
  if (signal.type === 'open') {
    return facts.phase === 'connecting' ? { ...facts, phase: 'open' } : facts;
  }
  return facts.phase === 'open' ? whileOpen(facts, signal) : facts;
}

function whileOpen(facts: VoiceFacts, signal: VoiceSignal): VoiceFacts {
  switch (signal.type) {
    case 'user_started':
      return { ...facts, userSpeaking: true, awaitingAnswer: false };
    case 'user_stopped':
      return { ...facts, userSpeaking: false, awaitingAnswer: facts.answersBySelf };
    case 'answer_asked':
      return { ...facts, awaitingAnswer: true };
    case 'answer_refused':
      return { ...facts, awaitingAnswer: false };
    case 'response_started':
      return {
        ...facts,
        awaitingAnswer: false,
        responses: new Set([...facts.responses, signal.id]),
      };
    case 'response_done':
      return {
        ...facts,
        awaitingAnswer: false,
        responses: new Set([...facts.responses].filter(id => id !== signal.id)),
      };
    case 'playing':
      return facts.playing === signal.playing ? facts : { ...facts, playing: signal.playing };
    case 'tools_running':
      return { ...facts, toolsRunning: signal.count };
    case 'answers_by_self':
      return { ...facts, answersBySelf: signal.value };
    default:
      return facts;
  }
}

/** The one word for a set of facts. */
export function stateOf(facts: VoiceFacts): VoiceState {
  if (facts.phase !== 'open') return facts.phase;
  if (facts.userSpeaking) return 'listening';
  if (facts.playing) return 'speaking';
  const busy = facts.awaitingAnswer || facts.responses.size > 0 || facts.toolsRunning > 0;
  return busy ? 'thinking' : 'listening';
}
