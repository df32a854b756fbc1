/**
 * `npm run proof -- runs`: agent runs through a real system whose processes are killed under them.
 *
 *   services, servers → load (runs and subscribers) → faults → last runs end → checks → verdict
 *
 * What is done to the system stands in `faults.ts`, what can be seen of it in `observations.ts`,
 * what must hold in `judge.ts` and `checks.ts`. With `--control` a copy of the server's source is
 * broken (`controls/*.patch`), and the proof must notice.
 */
import { relative } from 'node:path';
import { ArgumentError, HELP, type ProofOptions, readArguments } from './arguments.ts';
import { checkProcesses, checkRuns, checkWorkspaces } from './checks.ts';
import { type Fault, Faults } from './faults.ts';
import type { Check } from './judge.ts';
import { Load } from './load.ts';
import { Random } from './random.ts';
import { isGood, type ProofResult, verdict, writeResult } from './report.ts';
import { openSource } from './source.ts';
import { type ProofStack, startProofStack } from './stack.ts';

/** From the last fault to the end of the last run: three lost leases, and the work itself. */
const LAST_RUNS_MS = 240_000;
const SHOWN_LINES = 20;

async function proof(options: ProofOptions): Promise<boolean> {
  const startedAt = new Date().toISOString();
  const startMs = performance.now();
  console.log(`proof: ${JSON.stringify(options)}`);
  const source = openSource(options.control);
  let stack: ProofStack | undefined;
  try {
    stack = await startProofStack(options, source.server);
    const faults = new Faults(stack, new Random(`${options.seed}/faults`));
    const load = new Load(options, stack, new Random(`${options.seed}/load`));
    await load.start();
    await faults.run(options.kills, fault => console.log(lineOf(fault, faults.kills)));
    await load.finish(LAST_RUNS_MS);
    const checks = await judge(stack, load);
    const result: ProofResult = {
      options,
      startedAt,
      durationS: (performance.now() - startMs) / 1_000,
      faults: faults.done,
      checks,
      serious: [...stack.apis, ...stack.workers].flatMap(({ serious }) => serious),
      passed: checks.every(({ passed }) => passed),
    };
    for (const line of result.serious.slice(0, SHOWN_LINES)) console.log(line);
    console.log(verdict(result));
    console.log(relative(process.cwd(), await writeResult(result)));
    return isGood(result);
  } finally {
    await stack?.stop();
    source.remove();
  }
}

function lineOf({ what, name, signal, point, atMs }: Fault, kills: number): string {
  const how = what === 'cut' ? 'cut' : signal;
  return `${(atMs / 1_000).toFixed(1).padStart(7)} s  ${kills}  ${name} ${how} at ${point}`;
}

async function judge(stack: ProofStack, load: Load): Promise<Check[]> {
  const checks = await checkRuns(stack, load);
  for (const worker of stack.workers) {
    worker.signal('SIGTERM');
    await worker.again();
  }
  checks.push(await checkWorkspaces(stack));
  for (const worker of stack.workers) await worker.stop();
  checks.push(await checkProcesses(stack));
  return checks;
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
    return (await proof(options)) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    console.error(`${error.message}\n\n${HELP}`);
    return 2;
  }
}

process.exitCode = await main();
