/**
 * `npm run proof -- runs`: agent runs through a real system whose processes are killed under them.
 * `npm run proof -- local`: `npm start` whose parts are killed (`local/kills.ts`).
 * `npm run proof -- handover`: voice sessions around which everything breaks (`handover/prove.ts`).
 *
 *   services, servers → load (runs and subscribers) → faults → last runs end → checks → verdict
 *
 * What is done to the system stands in `faults.ts`, what can be seen of it in `observations.ts`,
 * what must hold in `judge.ts` and `checks.ts`. With `--control` a copy of the server's source is
 * broken (`controls/*.patch`), and the proof must notice.
 */
import { relative } from 'node:path';
import {
  ArgumentError,
  type HandoverProofOptions,
  HELP,
  type LocalOptions,
  type ProofOptions,
  readArguments,
} from './arguments.ts';
import { checkProcesses, checkRuns, checkWorkspaces } from './checks.ts';
import { FAULTS, type Fault, Faults, POINTS } from './faults.ts';
import { proveHandover } from './handover/prove.ts';
import { type Check, checkPoints } from './judge.ts';
import { Load } from './load.ts';
import { proveKills } from './local/kills.ts';
import { Random } from './random.ts';
import { isGood, type ProofResult, verdict, writeResult } from './report.ts';
import { openSource } from './source.ts';
import { type ProofStack, startProofStack } from './stack.ts';
import { Troubles } from './troubles.ts';

/** From the last fault to the end of the last run: three lost leases, and the work itself. */
const LAST_RUNS_MS = 240_000;
const SHOWN_LINES = 20;
const SHOWN_CHARS = 500;
/** Of each server's log, when something unexpected happened. */
const LAST_LINES = 15;

async function proof(options: ProofOptions): Promise<boolean> {
  const startedAt = new Date().toISOString();
  const startMs = performance.now();
  console.log(`proof: ${JSON.stringify(options)}`);
  const source = openSource(options.control);
  const troubles = new Troubles();
  troubles.watchProcess();
  try {
    const seen = await disturb(options, source.server, troubles);
    const checks = [...seen.checks, troubles.check()];
    const result: ProofResult = {
      options,
      startedAt,
      durationS: (performance.now() - startMs) / 1_000,
      ...seen,
      checks,
      troubles: troubles.found,
      passed: checks.every(({ passed }) => passed),
    };
    for (const line of result.serious.slice(0, SHOWN_LINES))
      console.log(line.slice(0, SHOWN_CHARS));
    for (const trouble of troubles.found) console.log(trouble);
    if (troubles.found.length > 0) console.log(result.lastLines.join('\n'));
    console.log(verdict(result));
    console.log(relative(process.cwd(), await writeResult(result)));
    return isGood(result);
  } finally {
    source.remove();
  }
}

type Disturbed = Pick<ProofResult, 'checks' | 'faults' | 'serious' | 'lastLines'>;

/** All between the first process and the last; every error becomes one of the troubles. */
async function disturb(
  options: ProofOptions,
  server: string,
  troubles: Troubles,
): Promise<Disturbed> {
  const stack = await troubles.during('the start', () => startProofStack(options, server));
  if (stack === undefined) return { checks: [], faults: [], serious: [], lastLines: [] };
  const faults = new Faults(stack, new Random(`${options.seed}/faults`));
  const load = new Load(options, stack, new Random(`${options.seed}/load`));
  const checks: Check[] = [];
  const progress = ({ what, name, signal, point, atMs }: Fault) => {
    const how = what === 'cut' ? 'cut' : signal;
    const atS = (atMs / 1_000).toFixed(1).padStart(7);
    console.log(`${atS} s  ${faults.kills}  ${name} ${how} at ${point}`);
  };
  await troubles.during('the load', () => load.start());
  await troubles.during('the faults', () => faults.run(options.kills, progress));
  await troubles.during('the last runs', () => load.finish(LAST_RUNS_MS));
  await troubles.during('the checks', () => judge(stack, load, checks));
  const replicas = [...stack.apis, ...stack.workers];
  const lastLines = replicas.flatMap(({ name, lines }) => [
    `${name}:`,
    ...lines.slice(-LAST_LINES),
  ]);
  const came = new Set([...stack.observations.seen, ...faults.done.map(({ what }) => what)]);
  checks.push(checkPoints([...FAULTS, ...POINTS], came, options.kills));
  await troubles.during('the stop', () => stack.stop());
  const serious = replicas.flatMap(replica => replica.serious);
  return { checks, faults: faults.done, serious, lastLines };
}

async function judge(stack: ProofStack, load: Load, checks: Check[]): Promise<void> {
  checks.push(...(await checkRuns(stack, load)));
  const { workers } = stack;
  for (const worker of workers) worker.signal('SIGTERM');
  await Promise.all(workers.map(worker => worker.again()));
  checks.push(await checkWorkspaces(stack));
  await Promise.all(workers.map(worker => worker.stop()));
  checks.push(await checkProcesses(stack));
}

async function local({ kills, seed }: LocalOptions): Promise<number> {
  console.log(`SEED=${seed}`);
  const faults = await proveKills({ kills, seed, progress: line => console.log(line) });
  console.log(`${kills} kills, SEED=${seed}: ${faults.length === 0 ? 'PASSED' : 'FAILED'}`);
  return faults.length === 0 ? 0 : 1;
}

async function handover(options: HandoverProofOptions): Promise<number> {
  const { sessions, breaks, rounds, seed } = options;
  const broken: string[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    console.log(`round ${round}, SEED=${seed}`);
    const random = new Random(`${seed}/${round}`);
    const report = (line: string) => console.log(line);
    broken.push(...(await proveHandover({ sessions, breaks, random, report })));
  }
  for (const line of broken.slice(0, SHOWN_LINES)) console.log(`broken: ${line}`);
  console.log(`${broken.length} promises broken: ${broken.length === 0 ? 'PASSED' : 'FAILED'}`);
  return broken.length === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  // Children are killed when this process exits, however it is asked to.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  try {
    const options = readArguments(process.argv.slice(2), process.env.SEED);
    if (options === 'help') {
      console.log(HELP);
      return 0;
    }
    if (options.what === 'local') return await local(options);
    if (options.what === 'handover') return await handover(options);
    return (await proof(options)) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    console.error(`${error.message}\n\n${HELP}`);
    return 2;
  }
}

process.exitCode = await main();
