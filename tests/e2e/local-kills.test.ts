/**
 * `npm start` survives SIGKILL of any of its parts at ten drawn points; `npm run proof -- local`
 * does the same at more. SEED repeats the choices.
 */
import { expect, it } from 'vitest';
import { proveKills } from '../proof/local/kills.ts';

const KILLS = 10;
const TIMEOUT_MS = 15 * 60_000;

it(
  'a killed part costs nothing that was acknowledged, and leaves no process',
  async () => {
    const seed = process.env.SEED ?? String(Date.now());
    console.log(`SEED=${seed}`);
    const progress = (line: string) => console.log(line);
    expect(await proveKills({ kills: KILLS, seed, progress })).toEqual([]);
  },
  TIMEOUT_MS,
);
