/**
 * `npm run soak`: voice sessions through a real server for minutes, at full rate, both directions.
 *
 *   services, simulator, server → open → warm-up → samples → model's streams end → checks → verdict
 *
 * Server, simulator and load are processes of their own; the server runs without any code for it
 * (`inspector.ts`). What must hold stands in `checks.ts`; how memory is judged in `report.ts`.
 */
import { execFileSync } from 'node:child_process';
import { relative } from 'node:path';
import { ArgumentError, HELP, readArguments, type SoakOptions } from './arguments.ts';
import {
  type Check,
  checkConnections,
  checkHashes,
  checkLogs,
  checkMetrics,
  checkRate,
  modelSessions,
} from './checks.ts';
import { LoadClient } from './load-client.ts';
import type { LoadPlan, LoadProgress } from './messages.ts';
import {
  checkGrowth,
  growthOf,
  type Sample,
  type SoakResult,
  tableHead,
  tableRow,
  verdict,
  writeResult,
} from './report.ts';
import { type SoakStack, startSoakStack } from './stack.ts';

const SERVER_CORE = 0;
const LOAD_CORE = 1;
/** Lines of the server's log that are shown. */
const SHOWN_LINES = 10;

async function soak(options: SoakOptions): Promise<boolean> {
  const startedAt = new Date().toISOString();
  console.log(`soak: ${JSON.stringify(options)}`);
  const stack = await startSoakStack(options);
  const loads = Array.from({ length: options.loadProcesses }, () => new LoadClient());
  try {
    if (options.pin) pinProcesses(stack, loads);
    await openSessions(options, stack, loads);
    const { samples, elapsedMs } = await streamAndSample(options, stack, loads);
    const growth = growthOf(samples, options.warmUpMs);
    const checks = await judge({ options, stack, loads, elapsedMs });
    checks.push(checkGrowth(growth, options.slopeMaxMbPerMinute));
    const passed = checks.every(check => check.passed);
    const { serious } = stack;
    const result: SoakResult = { options, startedAt, samples, growth, checks, serious, passed };
    for (const line of serious.slice(0, SHOWN_LINES)) console.log(line);
    console.log(verdict(result));
    console.log(relative(process.cwd(), await writeResult(result)));
    return passed;
  } catch (error) {
    for (const line of stack.server.lines.slice(-SHOWN_LINES)) console.error(line);
    throw error;
  } finally {
    for (const load of loads) await load.process.kill();
    await stack.stop();
  }
}

function pinProcesses(stack: SoakStack, loads: readonly LoadClient[]): void {
  const pin = (core: number, pid: number) =>
    execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)]);
  pin(SERVER_CORE, stack.server.child.pid!);
  for (const { process } of loads) pin(LOAD_CORE, process.child.pid!);
  pin(LOAD_CORE, stack.simulator.child.pid!);
}

async function openSessions(
  options: SoakOptions,
  stack: SoakStack,
  loads: readonly LoadClient[],
): Promise<void> {
  const { fps, frameBytes, factEveryMs, durationMs, sessions } = options;
  const framesPerSession = Math.round((fps * durationMs) / 1_000);
  const url = `${stack.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`;
  for (const [index, load] of loads.entries()) {
    const share = Math.floor((sessions + index) / loads.length);
    const seed = `${options.seed}/${index}`;
    const common = { url, fps, frameBytes, factEveryMs, framesPerSession, seed };
    const plan: LoadPlan = { ...common, sessions: share };
    await load.open(plan);
  }
}

async function streamAndSample(
  options: SoakOptions,
  stack: SoakStack,
  loads: readonly LoadClient[],
): Promise<{ samples: Sample[]; elapsedMs: number }> {
  const startMs = performance.now();
  let elapsedMs: number | undefined;
  const streams = Promise.all(loads.map(load => load.run(options.durationMs))).then(() => {
    elapsedMs = performance.now() - startMs;
    return elapsedMs;
  });
  const samples: Sample[] = [];
  console.log(tableHead());
  while (elapsedMs === undefined) {
    const dueMs = startMs + (samples.length + 1) * options.sampleEveryMs;
    await Promise.race([streams, pause(dueMs - performance.now())]);
    if (elapsedMs !== undefined) break;
    const sample = await takeSample(startMs, stack, loads);
    console.log(tableRow(sample, samples.at(-1)));
    samples.push(sample);
  }
  return { samples, elapsedMs: await streams };
}

async function takeSample(
  startMs: number,
  stack: SoakStack,
  loads: readonly LoadClient[],
): Promise<Sample> {
  const memory = await stack.inspector.sample();
  const parts = await Promise.all(loads.map(load => load.progress()));
  const load = parts.reduce(
    (total, part): LoadProgress => ({
      framesSent: total.framesSent + part.framesSent,
      framesReceived: total.framesReceived + part.framesReceived,
      lost: total.lost + part.lost,
      lateMaxMs: Math.max(total.lateMaxMs, part.lateMaxMs),
      cpuSeconds: total.cpuSeconds + part.cpuSeconds,
    }),
  );
  return { ...memory, load, atMs: performance.now() - startMs };
}

interface Ended {
  readonly options: SoakOptions;
  readonly stack: SoakStack;
  readonly loads: readonly LoadClient[];
  readonly elapsedMs: number;
}

async function judge({ options, stack, loads, elapsedMs }: Ended): Promise<Check[]> {
  const models = await modelSessions(stack);
  for (const load of loads) await load.close();
  const clients = (await Promise.all(loads.map(load => load.results()))).flat();
  return [
    checkConnections(clients),
    checkRate(options, clients, elapsedMs),
    ...checkHashes(clients, models),
    await checkLogs(stack.url, clients),
    await checkMetrics(stack.url),
  ];
}

function pause(timeMs: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, Math.max(0, timeMs)));
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
    return (await soak(options)) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    console.error(`${error.message}\n\n${HELP}`);
    return 2;
  }
}

process.exitCode = await main();
