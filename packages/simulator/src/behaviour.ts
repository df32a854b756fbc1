import { z } from 'zod';
import { script } from './script.ts';

const HOUR_MS = 3_600_000;
const delayMs = z.coerce.number().int().min(0).max(HOUR_MS);

/** The settings that can be changed while the simulator runs; `settings.ts` has the others. */
export const behaviourSchema = z.strictObject({
  mode: z
    .enum(['dialogue', 'load'])
    .default('dialogue')
    .describe('`load` streams audio at a fixed rate and only counts and hashes what it receives.'),
  script: script.default([]).describe('JSON list of turns that the model follows, see below.'),
  models: z
    .array(z.string().min(1).max(200))
    .max(100)
    .default([])
    .describe('Models (deployments) that exist; empty: every name exists.'),
  sessionLifetimeMs: z.coerce
    .number()
    .int()
    .min(1)
    .max(24 * HOUR_MS)
    .default(HOUR_MS)
    .describe('A session expires after this.'),
  firstEventDelayMs: delayMs.default(0).describe('Wait before `session.created`.'),
  responseDelayMs: delayMs.default(60).describe('Wait between the end of a turn and the answer.'),
  transcriptionDelayMs: delayMs.default(30).describe('Wait before a transcription event.'),
  audioDeltaMs: z.coerce
    .number()
    .int()
    .min(20)
    .max(2_000)
    .default(100)
    .describe('Length of the audio in one delta.'),
  speed: z.coerce
    .number()
    .min(0)
    .max(1_000)
    .default(4)
    .describe('Generation speed as a multiple of real time; 0: as fast as it can be read.'),
  dataChannelDelayMs: delayMs
    .default(0)
    .describe('Wait after a data channel opened before events are sent on it.'),
  sidebandAudio: z
    .stringbool()
    .or(z.boolean())
    .default(false)
    .describe('Whether a sideband receives audio deltas too.'),
  sidebandGreeting: z
    .stringbool()
    .or(z.boolean())
    .default(true)
    .describe('Whether a sideband is told `session.created` when it joins.'),
  loadFrameBytes: z.coerce
    .number()
    .int()
    .min(2)
    .max(1024 * 1024)
    .default(1_920)
    .describe('Load mode: audio bytes (before base64) in one delta.'),
  loadFramesPerSecond: z.coerce
    .number()
    .min(0)
    .max(1_000)
    .default(25)
    .describe('Load mode: deltas a second; 0: as fast as they are read.'),
});
export type Behaviour = z.infer<typeof behaviourSchema>;
