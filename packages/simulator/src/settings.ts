/**
 * Every setting, described once: the schema gives type, default, bounds and description; the
 * environment name follows from the key (`responseDelayMs` is `SIMULATOR_RESPONSE_DELAY_MS`). The
 * README's table is checked against it by a test. What can be changed while the simulator runs
 * (through `/_simulator/settings`) is the part called behaviour.
 */
import { z } from 'zod';
import { behaviourSchema } from './behaviour.ts';
import { faultRule } from './faults/rules.ts';
import { MAX_FAULT_RULES } from './limits.ts';

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
