import { parseArgs } from 'node:util';
import { BREAKS, type Break } from './handover/prove.ts';

export const CONTROLS = ['fencing-off', 'doorbell-as-truth', 'append-id-ignored'] as const;
export type ControlName = (typeof CONTROLS)[number];

export interface ProofOptions {
  readonly what: 'runs';
  readonly kills: number;
  /** Runs at work at the same time. */
  readonly runs: number;
  /** Over all runs at work. */
  readonly subscribers: number;
  readonly seed: string;
  /** What is broken on purpose, so that the proof must fail. */
  readonly control: ControlName | undefined;
}

/** Of `npm start`, whose parts are killed. */
export interface LocalOptions {
  readonly what: 'local';
  readonly kills: number;
  readonly seed: string;
}

/** Of voice sessions, around which everything breaks. */
export interface HandoverProofOptions {
  readonly what: 'handover';
  readonly sessions: number;
  readonly rounds: number;
  readonly breaks: readonly Break[];
  readonly seed: string;
}

export class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
}

const DEFAULTS = { kills: '200', runs: '10', subscribers: '20' } as const;
const LOCAL_KILLS = '50';
const SESSIONS = '50';
/** A control needs each kind of fault a few times, and no more. */
const CONTROL_KILLS = '12';

export const HELP = `Usage: npm run proof -- runs [options]
       npm run proof -- local [--kills <n>]
       npm run proof -- handover [--sessions <n>] [--rounds <n>] [--breaks <list>]

Kills or stops workers, API processes, PostgreSQL and Redis at named points of their work, starts
them again, and proves that no run and no event was lost or doubled.

'local' does the same to the parts of npm start on this machine, from the making of the cluster to
the stop (default ${LOCAL_KILLS} kills).

'handover' lets people speak while servers are drained, lines cut, and models' connections cut or
ended, and proves that nothing said is lost or doubled (default ${SESSIONS} sessions, 1 round;
--breaks of ${BREAKS.join(',')}).

  --kills <n>        how many (default ${DEFAULTS.kills}; ${CONTROL_KILLS} with --control)
  --runs <n>         runs at work at the same time (default ${DEFAULTS.runs})
  --subscribers <n>  streams over all, a multiple of the runs (default ${DEFAULTS.subscribers})
  --control <name>   breaks a copy of the source and wants the proof to fail: one of
                     ${CONTROLS.join(', ')}
  --help             this text

SEED of the environment repeats the choices. Results are also written to tests/proof/results/.
Exit code: 0 when everything holds (with --control: when it does not), 1 otherwise, 2 for wrong
arguments.`;

/** Throws `ArgumentError` with a sentence that names the argument. */
export function readArguments(
  args: readonly string[],
  seed = String(Date.now()),
): ProofOptions | LocalOptions | HandoverProofOptions | 'help' {
  const { values, positionals } = parse(args);
  if (values.help) return 'help';
  if (positionals.length === 1 && positionals[0] === 'local') {
    const kills = whole('--kills', values.kills ?? LOCAL_KILLS, { min: 1, max: 10_000 });
    return { what: 'local', kills, seed };
  }
  if (positionals.length === 1 && positionals[0] === 'handover') {
    const sessions = whole('--sessions', values.sessions, { min: 1, max: 500 });
    const rounds = whole('--rounds', values.rounds, { min: 1, max: 1_000 });
    return { what: 'handover', sessions, rounds, breaks: breaksOf(values.breaks), seed };
  }
  if (positionals.length !== 1 || positionals[0] !== 'runs') {
    throw new ArgumentError("Say what is to be proved: 'runs', 'local' or 'handover'.");
  }
  const control = CONTROLS.find(name => name === values.control);
  if (values.control !== undefined && control === undefined) {
    throw new ArgumentError(`--control is one of ${CONTROLS.join(', ')}.`);
  }
  const kills = values.kills ?? (control === undefined ? DEFAULTS.kills : CONTROL_KILLS);
  const runs = whole('--runs', values.runs, { min: 1, max: 50 });
  const subscribers = whole('--subscribers', values.subscribers, { min: 1, max: 500 });
  if (subscribers % runs !== 0) {
    throw new ArgumentError('--subscribers is a multiple of --runs: each run has as many.');
  }
  return {
    what: 'runs',
    kills: whole('--kills', kills, { min: 1, max: 10_000 }),
    runs,
    subscribers,
    seed,
    control,
  };
}

function parse(args: readonly string[]) {
  const option = (value: string) => ({ type: 'string', default: value }) as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        kills: { type: 'string' },
        runs: option(DEFAULTS.runs),
        subscribers: option(DEFAULTS.subscribers),
        control: { type: 'string' },
        sessions: option(SESSIONS),
        rounds: option('1'),
        breaks: option(BREAKS.join(',')),
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new ArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function breaksOf(list: string): Break[] {
  return list.split(',').map(name => {
    const known = BREAKS.find(one => one === name);
    if (known === undefined) throw new ArgumentError(`--breaks are of ${BREAKS.join(', ')}.`);
    return known;
  });
}

function whole(name: string, text: string, bounds: { min: number; max: number }): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= bounds.min && value <= bounds.max) return value;
  throw new ArgumentError(
    `${name} is a whole number from ${bounds.min} to ${bounds.max}, not '${text}'.`,
  );
}
