/**
 * The simulated voice: one beep per word, pitched by the voice's name and seeded, with a short gap
 * between words. It is audible, cheap, and clearly not a person.
 */

import { MAX_REPLY_MS } from '../limits.ts';
import type { Random } from '../random.ts';
import { concat, SAMPLE_RATE, samplesOf } from './pcm.ts';

const WORD_MS = 140;
const GAP_MS = 60;
const FADE_MS = 10;
const LEVEL = 0.2 * 32_767;
const LOWEST_HZ = 220;
const MAX_WORDS = Math.floor(MAX_REPLY_MS / (WORD_MS + GAP_MS));

/** One beep with soft edges. */
function beep(frequencyHz: number, durationMs: number): Int16Array {
  const samples = new Int16Array(samplesOf(durationMs));
  const fade = samplesOf(FADE_MS);
  for (let index = 0; index < samples.length; index++) {
    const edge = Math.min(1, index / fade, (samples.length - 1 - index) / fade);
    const phase = (2 * Math.PI * frequencyHz * index) / SAMPLE_RATE;
    samples[index] = Math.round(LEVEL * edge * Math.sin(phase));
  }
  return samples;
}

function pitchOf(voice: string): number {
  let sum = 0;
  for (const letter of voice) sum += letter.charCodeAt(0);
  return LOWEST_HZ + (sum % 12) * 20;
}

/** Speaks `text` as beeps; at most `MAX_REPLY_MS` long, at least one beep. */
export function speak(text: string, voice: string, random: Random): Int16Array {
  const words = Math.max(1, Math.min(text.split(/\s+/).filter(Boolean).length, MAX_WORDS));
  const base = pitchOf(voice);
  const gap = new Int16Array(samplesOf(GAP_MS));
  const parts: Int16Array[] = [];
  for (let word = 0; word < words; word++) {
    parts.push(beep(base * (1 + random.below(8) / 12), WORD_MS), gap);
  }
  return concat(parts);
}
