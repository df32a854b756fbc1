import type { Setting } from './setting.ts';
import { SETTINGS, type SettingName, type Values } from './settings/index.ts';
import { suggest } from './suggest.ts';

export type Variables = Readonly<Record<string, string | undefined>>;

type Source = 'environment' | '.env' | 'default' | 'unset';

export interface Resolved {
  /** Complete only when there are no faults; a faulty setting has its fallback's value. */
  readonly values: Values;
  readonly sources: Readonly<Record<SettingName, Source>>;
  /** One sentence each, in the order of the settings. Never contains a secret's value. */
  readonly faults: readonly string[];
}

const OWN_PREFIX = 'HOLDFAST_';
const SHOWN_VALUE_MAX_CHARS = 60;

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

/** All variables by the same rule: the environment, and `.env` where it has no value. */
export function mergeVariables(environment: Variables, dotenv: Variables): Variables {
  const given = Object.entries(environment).filter(
    ([name, value]) => value?.trim() || !dotenv[name],
  );
  return { ...dotenv, ...Object.fromEntries(given) };
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
