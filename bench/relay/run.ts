/**
 * What a relayed frame costs: nginx, HAProxy, a plain `ws` relay and Holdfast, side by side in one
 * go. Relays share one core, the load (clients and upstream) has the other; plain TCP; all relays
 * hold their sessions all the time and take turns under load, round by round, so that a disturbance
 * of the machine meets all of them. Writes a table, a chart and the raw figures to bench/results/.
 *
 * Options: --rounds 9 --sessions 100 --sizes 1280,6400 --fps 50 --warm-up 500 --measure 2500 (ms)
 * --idle 2000 --relay-core 0 --load-core 1 --only 'nginx,Holdfast,relay alone' --no-files
 * --nice=-10 (relays and load before other work on their cores; needs root)
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { priority } from '../lib/child.ts';
import { memoryBytes, processTree } from '../lib/proc.ts';
import { Load } from './load-client.ts';
import { writeReport } from './report.ts';
import type { Sample, Settings } from './results.ts';
import { type StartTarget, starters, type Target } from './targets.ts';

const SETTLE_MS = 1_500;

export async function run(args: string[]): Promise<void> {
  const { settings, only, files } = readOptions(args);
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  const load = await Load.start(settings.loadCore);
  const targets: Target[] = [];
  try {
    for (const name of only) {
      const { relayCore: core, loadCore: otherCore } = settings;
      const context = { core, otherCore, upstreamPort: load.upstreamPort };
      targets.push(await starterOf(name)({ ...context, dir: join(dir, String(targets.length)) }));
    }
    const idleBytes: Record<string, number> = {};
    for (const target of targets) {
      idleBytes[target.name] = await measureIdle(load, target, settings.idleSessions);
      console.log(`${target.name}: ${(idleBytes[target.name]! / 1024).toFixed(1)} KB idle`);
    }
    const samples = await measureRounds(load, targets, settings);
    await writeReport({ settings, samples, idleBytes }, files);
  } finally {
    await load.stop();
    for (const target of targets) await target.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

function readOptions(args: string[]) {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      rounds: text('9'),
      sessions: text('100'),
      sizes: text('1280,6400'),
      fps: text('50'),
      'warm-up': text('500'),
      measure: text('2500'),
      idle: text('2000'),
      'relay-core': text('0'),
      'load-core': text('1'),
      only: text('nginx,HAProxy,ws relay,Holdfast'),
      files: { type: 'boolean', default: true },
      nice: text('0'),
    },
  });
  priority.nice = Number(values.nice);
  const settings: Settings = {
    rounds: Number(values.rounds),
    sessions: Number(values.sessions),
    sizes: values.sizes.split(',').map(Number),
    framesPerSecond: Number(values.fps),
    warmUpMs: Number(values['warm-up']),
    measureMs: Number(values.measure),
    idleSessions: Number(values.idle),
    relayCore: Number(values['relay-core']),
    loadCore: Number(values['load-core']),
  };
  return { settings, only: values.only.split(','), files: values.files };
}

function starterOf(name: string): StartTarget {
  const starter = starters[name];
  if (starter !== undefined) return starter;
  throw new Error(`no relay "${name}"; there are: ${Object.keys(starters).join(', ')}`);
}

/**
 * Memory per idle session: half of the sessions first, for what grows only once, then the
 * rest. Garbage is collected before both readings.
 */
async function measureIdle(load: Load, target: Target, sessions: number): Promise<number> {
  if (sessions === 0) return 0;
  const few = Math.ceil(sessions / 2);
  await load.open(target, few);
  const before = await settledMemory(target);
  await load.open(target, sessions);
  const after = await settledMemory(target);
  await load.close(target);
  await sleep(SETTLE_MS);
  return (after - before) / (sessions - few);
}

async function settledMemory(target: Target): Promise<number> {
  for (let i = 0; i < 2; i++) {
    await sleep(SETTLE_MS / 2);
    target.collect();
  }
  await sleep(SETTLE_MS / 2);
  return memoryBytes(processTree(target.pid));
}

async function measureRounds(load: Load, targets: Target[], settings: Settings) {
  const samples: Sample[] = [];
  for (const target of targets) await load.open(target, settings.sessions);
  for (let round = 1; round <= settings.rounds; round++) {
    for (const sizeBytes of settings.sizes) {
      const line: string[] = [];
      for (const target of inTurn(targets, round)) {
        const pids = processTree(target.pid);
        const result = await load.run(target, { ...settings, pids, sizeBytes });
        samples.push({ ...result, target: target.name, round, sizeBytes });
        const busy = (100 * result.loadCpuNs) / 1e6 / result.elapsedMs;
        const perFrame = (result.cpuNs / 1000 / result.frames).toFixed(2);
        line.push(`${target.name} ${perFrame} us (load ${busy.toFixed(0)} %)`);
      }
      console.log(`round ${round}, ${sizeBytes} bytes: ${line.join(', ')}`);
    }
  }
  return samples;
}

/** Each round begins with another relay. */
function inTurn(targets: Target[], round: number): Target[] {
  const first = round % targets.length;
  return [...targets.slice(first), ...targets.slice(0, first)];
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}
