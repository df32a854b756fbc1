/** What a session's client can tell after a break: of its own sound, and of what it was sent. */

export interface Verdict {
  readonly sent: number;
  readonly lost: number;
  readonly doubled: number;
  readonly disordered: number;
  /** Events that came more than once. */
  readonly eventsDoubled: number;
  /** Answers whose pieces are not the whole that their end says. */
  readonly answersTorn: number;
}

const FRAME_SAMPLES = 960;

/** Sound of 40 ms, PCM16 at 24 kHz, whose every sample is the number. */
export function frameOf(number: number): Buffer {
  return Buffer.from(new Int16Array(FRAME_SAMPLES).fill(number % 32_768).buffer);
}

/** The numbers of the frames in a piece of sound; a frame that is torn counts as -1. */
export function numbersIn(sound: Buffer): number[] {
  const numbers: number[] = [];
  const bytes = FRAME_SAMPLES * 2;
  for (let at = 0; at < sound.length; at += bytes) {
    const first = sound.readInt16LE(at);
    const isWhole = sound.length >= at + bytes && sound.readInt16LE(at + bytes - 2) === first;
    numbers.push(isWhole ? first : -1);
  }
  return numbers;
}

/** `expected`: the numbers that were sent, in their order. */
export function judgeFrames(expected: readonly number[], heard: readonly number[]) {
  const counts = new Map<number, number>();
  for (const number of heard) counts.set(number, (counts.get(number) ?? 0) + 1);
  const order = heard.filter(number => number >= 0);
  return {
    sent: expected.length,
    lost: expected.filter(number => !counts.has(number)).length,
    doubled: heard.length - counts.size,
    disordered: order.filter((number, i) => i > 0 && number < order[i - 1]!).length,
  };
}

type Event = Readonly<Record<string, unknown>>;

export function judgeEvents(events: readonly Event[]) {
  const ids = events.map(event => event.event_id);
  const words = new Map<unknown, string>();
  let answersTorn = 0;
  for (const { type, item_id, delta, transcript } of events) {
    if (type === 'response.output_audio_transcript.delta') {
      words.set(item_id, (words.get(item_id) ?? '') + String(delta));
    }
    const isWhole = type === 'response.output_audio_transcript.done';
    if (isWhole && words.get(item_id)?.trim() !== String(transcript).trim()) answersTorn += 1;
  }
  return { eventsDoubled: ids.length - new Set(ids).size, answersTorn };
}
