import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { GATHER_SAMPLES } from '../audio/playback-queue.ts';
import { FRAME_SAMPLES } from '../voice/audio.ts';

interface Processor {
  port: { onmessage: ((event: { data: unknown }) => void) | null };
  process(inputs: Float32Array[][], outputs: Float32Array[][]): boolean;
}

const processors = new Map<string, new () => Processor>();
const posted: unknown[] = [];

/** The audio thread's globals, so that the module can be run where there is none. */
async function load(rate: number): Promise<void> {
  vi.resetModules();
  vi.stubGlobal('sampleRate', rate);
  vi.stubGlobal('registerProcessor', (name: string, processor: new () => Processor) =>
    processors.set(name, processor),
  );
  vi.stubGlobal(
    'AudioWorkletProcessor',
    class {
      port = { onmessage: null, postMessage: (message: unknown) => posted.push(message) };
    },
  );
  await import('./worklet.ts');
}

describe('the worklet', () => {
  beforeAll(() => load(24_000));
  afterAll(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  it('turns microphone blocks into frames', () => {
    const capture = new (processors.get('holdfast-capture')!)();
    for (let i = 0; i < FRAME_SAMPLES / 120; i++) {
      expect(capture.process([[new Float32Array(120).fill(0.5)]], [])).toBe(true);
    }
    expect(capture.process([[]], [])).toBe(true);
    expect(posted.splice(0)).toEqual([new Int16Array(FRAME_SAMPLES).fill(16_384)]);
  });

  it('brings another rate to ours', async () => {
    await load(48_000);
    const capture = new (processors.get('holdfast-capture')!)();
    for (let i = 0; i < 2 * FRAME_SAMPLES; i += 128) {
      capture.process([[new Float32Array(128).fill(0.5)]], []);
    }
    expect(posted.splice(0)).toHaveLength(0);
    capture.process([[new Float32Array(256).fill(0.5)]], []);
    const [frame] = posted.splice(0) as Int16Array[];
    expect(frame).toHaveLength(FRAME_SAMPLES);
    expect(frame?.[500]).toBeCloseTo(16_384, -2);
  });

  it('plays what is queued on every channel and answers how much was played', () => {
    const speaker = new (processors.get('holdfast-speaker')!)();
    const piece = {
      itemId: 'a',
      contentIndex: 0,
      pcm: new Int16Array(GATHER_SAMPLES).fill(16_384),
    };
    speaker.port.onmessage?.({ data: { type: 'enqueue', piece } });
    const out = [new Float32Array(240), new Float32Array(240)];
    speaker.process([], [out]);
    expect([out[0]?.[0], out[1]?.[239]]).toEqual([0.5, 0.5]);
    speaker.port.onmessage?.({ data: { type: 'clear', id: 7 } });
    speaker.process([], [out]);
    expect(speaker.process([], [[]])).toBe(true);
    expect(posted.splice(0)).toEqual([
      { type: 'playing', playing: true },
      { type: 'cleared', id: 7, position: { itemId: 'a', contentIndex: 0, playedMs: 10 } },
      { type: 'playing', playing: false },
    ]);
  });
});
