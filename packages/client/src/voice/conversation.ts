import { type KnownEvent, known, type ResponseItem, type ServerEvent } from './events.ts';

/** One turn as it is shown: a message or a tool call. */
export interface Turn {
  /** The item's id on the wire. */
  readonly id: string;
  readonly role: 'user' | 'assistant' | 'tool';
  readonly text: string;
  /** False while it is still growing. */
  readonly final: boolean;
  /** The user broke in: the rest was never played. */
  readonly interrupted: boolean;
  /** When the turn began, in ms since the epoch, by this machine's clock. */
  readonly startedAt: number;
  readonly tool?: ToolTurn;
}

export interface ToolTurn {
  readonly name: string;
  readonly callId: string;
  readonly arguments: string;
  readonly status: 'running' | 'done' | 'failed';
  readonly output: string;
}

/** What is kept in memory; the server's log keeps all of it. */
export const TURNS_MAX = 500;
export const TURN_TEXT_MAX_CHARS = 20_000;

/**
 * The turns after `event`; the same array where it does not affect them. A user's turn is placed
 * when the speech begins, because its transcript arrives after the answer to it has started.
 */
export function applyEvent(
  turns: readonly Turn[],
  event: ServerEvent,
  now: number,
): readonly Turn[] {
  const e = known(event);
  switch (e.type) {
    case 'input_audio_buffer.speech_started':
      return e.item_id ? ensure(turns, { id: e.item_id, role: 'user', now }) : turns;
    case 'conversation.item.added':
    case 'conversation.item.done':
      return e.item ? addItem(turns, e.item, now) : turns;
    case 'conversation.item.input_audio_transcription.delta':
      return grow(turns, { id: e.item_id, role: 'user', now }, e.delta);
    case 'conversation.item.input_audio_transcription.completed':
      return settle(turns, { id: e.item_id, role: 'user', now }, e.transcript);
    case 'conversation.item.input_audio_transcription.failed':
      return settle(turns, { id: e.item_id, role: 'user', now }, '');
    case 'conversation.item.truncated':
      return patch(turns, e.item_id, { interrupted: true });
    default:
      return applyAnswer(turns, e, now);
  }
}

function applyAnswer(turns: readonly Turn[], e: KnownEvent, now: number): readonly Turn[] {
  switch (e.type) {
    case 'response.output_audio_transcript.delta':
    case 'response.output_text.delta':
      return grow(turns, { id: e.item_id, role: 'assistant', now }, e.delta);
    case 'response.output_audio_transcript.done':
      return settle(turns, { id: e.item_id, role: 'assistant', now }, e.transcript);
    case 'response.output_text.done':
      return settle(turns, { id: e.item_id, role: 'assistant', now }, e.text);
    case 'response.done':
      return finish(turns, e.response?.output ?? []);
    default:
      return turns;
  }
}

/** A tool's turn, from its call to its output. */
export function applyTool(
  turns: readonly Turn[],
  itemId: string,
  tool: ToolTurn,
  now: number,
): readonly Turn[] {
  const placed = ensure(turns, { id: itemId, role: 'tool', now });
  return patch(placed, itemId, { tool, final: tool.status !== 'running', text: tool.name });
}

/** Typed messages come back as items with their text; spoken ones are only announced. */
function addItem(turns: readonly Turn[], item: ResponseItem, now: number): readonly Turn[] {
  if (item.type !== 'message' || item.role !== 'user' || !item.id) return turns;
  const text = (item.content ?? []).map(part => part.text ?? part.transcript ?? '').join('');
  const place = { id: item.id, role: 'user', now } as const;
  return text === '' ? ensure(turns, place) : settle(turns, place, text);
}

/** Where a piece belongs, and what its turn is if it has none yet. */
interface Place {
  readonly id: string | undefined;
  readonly role: Turn['role'];
  readonly now: number;
}

function ensure(turns: readonly Turn[], { id, role, now }: Place): readonly Turn[] {
  if (!id || turns.some(turn => turn.id === id)) return turns;
  const turn: Turn = { id, role, text: '', final: false, interrupted: false, startedAt: now };
  return [...turns, turn].slice(-TURNS_MAX);
}

function grow(turns: readonly Turn[], place: Place, delta: string | undefined): readonly Turn[] {
  if (!place.id || !delta) return turns;
  const placed = ensure(turns, place);
  const before = placed.find(turn => turn.id === place.id)?.text ?? '';
  return patch(placed, place.id, { text: (before + delta).slice(0, TURN_TEXT_MAX_CHARS) });
}

function settle(turns: readonly Turn[], place: Place, text: string | undefined): readonly Turn[] {
  if (!place.id) return turns;
  const whole = text === undefined ? {} : { text: text.slice(0, TURN_TEXT_MAX_CHARS) };
  return patch(ensure(turns, place), place.id, { final: true, ...whole });
}

/** Marks the growing turns of an answer as final, also when it was cut off. */
function finish(turns: readonly Turn[], output: readonly ResponseItem[]): readonly Turn[] {
  const ids = new Set(output.map(item => item.id));
  const open = turns.some(turn => !turn.final && turn.role === 'assistant');
  if (!open) return turns;
  return turns.map(turn =>
    turn.role === 'assistant' && !turn.final && (ids.size === 0 || ids.has(turn.id))
      ? { ...turn, final: true }
      : turn,
  );
}

function patch(
  turns: readonly Turn[],
  id: string | undefined,
  change: Partial<Turn>,
): readonly Turn[] {
  return turns.map(turn => (turn.id === id ? { ...turn, ...change } : turn));
}
