import { execFile } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import {
  confine,
  ownControlGroups,
} from '../../../packages/server/src/platform/isolation/index.ts';

const ATTACKERS = fileURLToPath(new URL('./attackers.ts', import.meta.url));

/** Hostile callers; limits are for each, so that one would leave the others nothing. */
export const CALLERS = ['agent', 'uploader', 'client'] as const;
type Caller = (typeof CALLERS)[number];

export interface Attack {
  readonly url: string;
  /** What each hostile caller sends to be known. */
  readonly headers: Readonly<Record<Caller, Readonly<Record<string, string>>>>;
  readonly seed: number;
  readonly minutes: number;
}

/** How often each attack was made: uploads that were parsed, messages that were sent. */
export interface Attacked {
  runs: number;
  uploads: number;
  messages: number;
  requests: number;
}

/** In the world attackers have processors of their own: what they burn is taken from nobody. */
const ATTACKERS_CPU_WEIGHT = 10;

/** Attacks in a process that others have little to share with. */
export function startAttack(attack: Attack): Promise<Attacked> {
  // In the short form nothing is measured, and every attack is to be made.
  const isMeasured = attack.minutes >= 1;
  const group = isMeasured
    ? ownControlGroups()?.create({ cpuWeight: ATTACKERS_CPU_WEIGHT })
    : undefined;
  const attacked = new Promise<Attacked>((resolve, reject) => {
    const args = ['--disable-warning=ExperimentalWarning', ATTACKERS, JSON.stringify(attack)];
    const child = execFile(process.execPath, args, (error, stdout) => {
      if (error) reject(error);
      else resolve(JSON.parse(stdout) as Attacked);
    });
    confine(child, group);
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  });
  return attacked.finally(() => group?.remove());
}
