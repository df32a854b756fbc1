/**
 * Every setting, described once: the schema gives type, default, bounds and description; the
 * environment name follows from the key (`responseDelayMs` is `SIMULATOR_RESPONSE_DELAY_MS`). The
 * README's table is checked against it by a test. What can be changed while the simulator runs
 * (through `/_simulator/settings`) is the part called behaviour.
 */
import { z } from 'zod';
import { faultRule } from './faults/rules.ts';
import { MAX_FAULT_RULES } from './limits.ts';
import { script } from './script.ts';

const HOUR_MS = 3_600_000;
const delayMs = z.coerce.number().int().min(0).max(HOUR_MS);

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

const settingsSchema = behaviourSchema.extend({
  host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
  port: z.coerce.number().int().min(0).max(65_535).default(0).describe('0: any free port.'),
  apiKey: z
    .string()
    .min(1)
    .optional()
    .describe('When set, any other key is refused with 401; when not, every caller is let in.'),
  seed: z.coerce.string().default('1').describe('Seed of ids, tones and rates.'),
  faults: z
    .array(faultRule)
    .max(MAX_FAULT_RULES)
    .default([])
    .describe('JSON list of faults active from the start, see below.'),
});
export type Settings = z.infer<typeof settingsSchema>;
/** What a caller of `startSimulator` may leave out: everything. */
export type SettingsInput = z.input<typeof settingsSchema>;

const PREFIX = 'SIMULATOR_';
const JSON_KEYS = new Set(['script', 'faults']);
const LIST_KEYS = new Set(['models']);

export class SettingsError extends Error {
  override name = 'SettingsError';
}

/** `responseDelayMs` -> `SIMULATOR_RESPONSE_DELAY_MS`. */
function environmentName(key: string): string {
  return PREFIX + key.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase();
}

function parseValue(key: string, text: string): unknown {
  if (LIST_KEYS.has(key))
    return text
      .split(',')
      .map(part => part.trim())
      .filter(Boolean);
  return JSON_KEYS.has(key) ? JSON.parse(text) : text;
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const [key, ...rest] = issue.path.map(String);
  const place = key === undefined ? '' : [environmentName(key), ...rest].join('.');
  return `${place}: ${issue.message}`;
}

/** Checks settings given in code; throws `SettingsError` naming every fault. */
export function parseSettings(input: unknown): Settings {
  const result = settingsSchema.safeParse(input);
  if (result.success) return result.data;
  throw new SettingsError(result.error.issues.map(describeIssue).join('\n'));
}

/** Reads `SIMULATOR_*`; unknown names and wrong values stop the start with one message. */
export function settingsFromEnvironment(environment: NodeJS.ProcessEnv): Settings {
  const keys = new Map(Object.keys(settingsSchema.shape).map(key => [environmentName(key), key]));
  const values: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || text === undefined || text === '') continue;
    const key = keys.get(name);
    if (key === undefined) {
      faults.push(`${name}: no such setting`);
      continue;
    }
    try {
      values[key] = parseValue(key, text);
    } catch {
      faults.push(`${name}: not JSON`);
    }
  }
  const result = settingsSchema.safeParse(values);
  if (!result.success) faults.push(...result.error.issues.map(describeIssue));
  if (faults.length > 0 || !result.success) throw new SettingsError(faults.join('\n'));
  return result.data;
}

export interface SettingDescription {
  name: string;
  default: string;
  description: string;
}

/** One row per setting, for the README. */
export function describeSettings(): SettingDescription[] {
  const defaults = parseSettings({}) as Record<string, unknown>;
  return Object.entries(settingsSchema.shape).map(([key, schema]) => ({
    name: environmentName(key),
    default: defaults[key] === undefined ? '' : JSON.stringify(defaults[key]),
    description: schema.description ?? '',
  }));
}
