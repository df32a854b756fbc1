import { readFileSync } from 'node:fs';
import { parse } from 'dotenv';
import { crossCheck } from './checks.ts';
import { type Config, toConfig } from './config.ts';
import { resolveSettings, type Variables } from './resolve.ts';

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
