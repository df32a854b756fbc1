import type { RoleName } from './config/index.ts';

/**
 * Which features run in a process: `gateway` carries sessions (realtime routes and WebSockets),
 * `api` serves the native API and the console, `worker` does upkeep (sweeps, retention). All by
 * default; a process with fewer needs a shared database, as its siblings do the rest.
 */
export interface Roles {
  readonly gateway: boolean;
  readonly api: boolean;
  readonly worker: boolean;
}

export function rolesOf(names: readonly RoleName[]): Roles {
  return {
    gateway: names.includes('gateway'),
    api: names.includes('api'),
    worker: names.includes('worker'),
  };
}
