import { readFileSync } from 'node:fs';
import { parse } from 'dotenv';
import { crossCheck } from './checks.ts';
import { type Config, toConfig } from './config.ts';
import type { Setting } from './setting.ts';
import { SETTINGS, type SettingName, type Values } from './settings/index.ts';

const OWN_PREFIX = 'HOLDFAST_';
const SHOWN_VALUE_MAX_CHARS = 60;

export type Variables = Readonly<Record<string, string | undefined>>;

/** Thrown once, with every fault, so that one reading is enough to fix them all. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`;
    super([`The settings have ${count}:`, ...faults.map(fault => `  - ${fault}`)].join('\n'));
    this.faults = faults;
  }
}

/**
 * The configuration from `environment`, and from `dotenv` (the parsed `.env` file) where the
 * environment has no value. Throws `ConfigError` with every fault.
 */
export function loadConfig(environment: Variables, dotenv: Variables): Config {
  const { values, faults } = resolveSettings(environment, dotenv);
  const all = [...faults, ...crossCheck(values)];
  if (all.length > 0) throw new ConfigError(all);
  return toConfig(values);
}

/** The variables of a `.env` file; none when there is no such file. */
export function readDotenv(file: string): Variables {
  try {
    return parse(readFileSync(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

/** All variables by the same rule: the environment, and `.env` where it has no value. */
export function mergeVariables(environment: Variables, dotenv: Variables): Variables {
  const given = Object.entries(environment).filter(
    ([name, value]) => value?.trim() || !dotenv[name],
  );
  return { ...dotenv, ...Object.fromEntries(given) };
}

type Source = 'environment' | '.env' | 'default' | 'unset';

export interface Resolved {
  /** Complete only when there are no faults; a faulty setting has its fallback's value. */
  readonly values: Values;
  readonly sources: Readonly<Record<SettingName, Source>>;
  /** One sentence each, in the order of the settings. Never contains a secret's value. */
  readonly faults: readonly string[];
}

/**
 * Parses every setting from the environment and, where that has none, from the `.env` file. An
 * empty value counts as unset, as usual for `.env` files. Names that start with `HOLDFAST_` and are
 * not known are faults; all other unknown names belong to other programs.
 */
export function resolveSettings(environment: Variables, dotenv: Variables): Resolved {
  const values: Record<string, unknown> = {};
  const sources: Record<string, Source> = {};
  const faults: string[] = [];
  for (const [name, setting] of Object.entries<Setting<unknown>>(SETTINGS)) {
    const { raw, source } = pick(name, environment, dotenv);
    values[name] =
      setting.fallback === undefined ? undefined : setting.kind.schema.parse(setting.fallback);
    sources[name] = raw === undefined && setting.fallback !== undefined ? 'default' : source;
    if (raw === undefined) continue;
    const parsed = setting.kind.schema.safeParse(raw);
    if (parsed.success) {
      values[name] = parsed.data;
      continue;
    }
    const where = source === '.env' ? ' (in .env)' : '';
    faults.push(`${name}: expected ${setting.kind.form}${shown(setting, raw)}${where}.`);
  }
  faults.push(...unknownNames(environment, ''), ...unknownNames(dotenv, ' (in .env)'));
  return {
    values: values as Values,
    sources: sources as Record<SettingName, Source>,
    faults,
  };
}

function pick(name: string, environment: Variables, dotenv: Variables) {
  const own = environment[name]?.trim();
  if (own) return { raw: own, source: 'environment' as const };
  const filed = dotenv[name]?.trim();
  if (filed) return { raw: filed, source: '.env' as const };
  return { raw: undefined, source: 'unset' as const };
}

function shown(setting: Setting<unknown>, raw: string): string {
  if (setting.kind.secret) return '';
  const cut = raw.length > SHOWN_VALUE_MAX_CHARS ? `${raw.slice(0, SHOWN_VALUE_MAX_CHARS)}…` : raw;
  return `, got ${JSON.stringify(cut)}`;
}

function unknownNames(variables: Variables, where: string): string[] {
  const known = Object.keys(SETTINGS);
  return Object.keys(variables)
    .filter(name => name.startsWith(OWN_PREFIX) && !known.includes(name))
    .map(name => {
      const guess = suggest(name, known);
      return `${name}: no such setting${where}.${guess ? ` Did you mean ${guess}?` : ''}`;
    });
}

/** The candidate that `name` was probably meant to be, or undefined when none is close. */
function suggest(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 4)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(name, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, substitution));
    }
    row = next;
  }
  return row[b.length]!;
}
