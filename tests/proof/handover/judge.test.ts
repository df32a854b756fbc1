import { describe, expect, it } from 'vitest';
import { frameOf, judgeEvents, judgeFrames, numbersIn } from './judge.ts';

const heard = (numbers: readonly number[]) => numbersIn(Buffer.concat(numbers.map(frameOf)));
const SENT = [0, 1, 2, 3, 4, 5];

describe('the judge of a handover', () => {
  it.each([
    ['nothing', SENT, { lost: 0, doubled: 0, disordered: 0 }],
    ['a frame that is missing', [0, 1, 3, 4, 5], { lost: 1, doubled: 0, disordered: 0 }],
    ['a frame that came twice', [0, 1, 2, 2, 3, 4, 5], { lost: 0, doubled: 1, disordered: 0 }],
    ['frames that changed places', [0, 2, 1, 3, 4, 5], { lost: 0, doubled: 0, disordered: 1 }],
  ])('blames %s', (_, numbers, verdict) => {
    expect(judgeFrames(SENT, heard(numbers))).toEqual({ sent: SENT.length, ...verdict });
  });

  it('blames a frame that is torn', () => {
    const torn = Buffer.concat([frameOf(0), frameOf(1).subarray(0, 100), frameOf(2)]);
    expect(judgeFrames([0, 1, 2], numbersIn(torn)).lost).toBeGreaterThan(0);
  });

  it('blames events that came twice, and answers with a hole', () => {
    const piece = (event_id: string, delta: string) => ({
      type: 'response.output_audio_transcript.delta',
      item_id: 'i',
      event_id,
      delta,
    });
    const end = {
      type: 'response.output_audio_transcript.done',
      item_id: 'i',
      event_id: 'end',
      transcript: 'one two',
    };
    expect(judgeEvents([piece('a', 'one '), piece('b', 'two'), end])).toEqual({
      eventsDoubled: 0,
      answersTorn: 0,
    });
    expect(judgeEvents([piece('a', 'one '), end])).toMatchObject({ answersTorn: 1 });
    expect(judgeEvents([piece('a', 'one '), piece('a', 'two'), end]).eventsDoubled).toBe(1);
  });
});
