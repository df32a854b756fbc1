/**
 * Many subscribers on one run while its agent writes: what a delivered event and an idle subscriber
 * cost the server, beside nginx with nchan and a bare `node:http`, which keep no log.
 *
 * Holdfast's events go the whole way: the driver's journal, PostgreSQL, NOTIFY, the server process,
 * its streams. The peers get each event by a POST.
 */
import { join } from 'node:path';
import type { NewEvent } from '../../packages/server/src/platform/log/index.ts';
import { cpuNs, memoryBytes, processTree } from '../lib/proc.ts';
import { SseLoad } from './load-client.ts';
import { type StreamTarget, startBare, startNchan } from './peers.ts';
import { newRun, type ServerProcess, type Stack } from './stack.ts';

export const EVENTS_PER_SECOND = 100;
export const GATHER_MS = 50;
const TEXT = 'x'.repeat(100);
const EVENT: NewEvent = {
  type: 'agent.output',
  data: { stream: 'stdout' },
  private: { text: TEXT },
};
/** As long as Holdfast's. */
const BODY_BYTES = 370;
const SETTLE_MS = 1_000;
const WARM_UP_MS = 300;
const ARRIVE_MS = 5_000;
/** Streams end by themselves after 180 to 200 s. */
const REOPEN_MS = 120_000;

interface FanOutSample {
  readonly target: string;
  readonly round: number;
  readonly delivered: number;
  /** Of all that were due. */
  readonly share: number;
  /** CPU time of the server's processes per delivered event, in microseconds. */
  readonly perEventUs: number;
}

export interface FanOut {
  readonly samples: readonly FanOutSample[];
  /** Resident bytes per subscriber, by target. */
  readonly memoryBytes: Readonly<Record<string, number>>;
}

export interface FanOutSettings {
  readonly rounds: number;
  readonly subscribers: number;
  readonly measureMs: number;
  readonly core: number;
  readonly otherCore: number;
  readonly dir: string;
}

export async function measureFanOut(
  stack: Stack,
  server: ServerProcess,
  settings: FanOutSettings,
): Promise<FanOut> {
  const load = await SseLoad.start(settings.otherCore);
  const targets: StreamTarget[] = [];
  try {
    targets.push(...(await startTargets(stack, server, settings)));
    const memory: Record<string, number> = {};
    for (const target of targets) {
      memory[target.name] = await measureMemory(load, target, settings.subscribers);
      console.log(`${target.name}: ${(memory[target.name]! / 1024).toFixed(1)} KB a subscriber`);
    }
    return { samples: await measureRounds(load, targets, settings), memoryBytes: memory };
  } finally {
    await load.stop();
    for (const target of targets) await target.stop();
  }
}

async function startTargets(
  stack: Stack,
  server: ServerProcess,
  { core, dir }: FanOutSettings,
): Promise<StreamTarget[]> {
  const body = 'x'.repeat(BODY_BYTES);
  const nchan = await startNchan({ core, dir: join(dir, 'nchan'), body });
  if (nchan === null) console.warn('nchan is left out: apt-get install libnginx-mod-nchan');
  return [
    ...(nchan === null ? [] : [nchan]),
    await startBare('node:http', { core, body, gatherMs: 0 }),
    await startBare(`node:http, ${GATHER_MS} ms`, { core, body, gatherMs: GATHER_MS }),
    await holdfast(stack, server),
  ];
}

async function holdfast(stack: Stack, server: ServerProcess): Promise<StreamTarget> {
  const task = await stack.newTask(server.url);
  const run = await stack.claim(await newRun(server.url, task));
  const { driver } = stack.runs;
  const journal = driver.journal(run, loss => console.error(`the run was lost: ${loss}`));
  return {
    name: 'Holdfast',
    pid: server.pid,
    port: server.port,
    // Subscribers start at the end of the log.
    path: `/v1/runs/${run.id}/stream`,
    publish: () => void journal.push(EVENT),
    collect: server.collect,
    async stop() {
      await journal.flush(1_000);
      journal.close();
      await driver.finish(run, { status: 'succeeded', reason: null });
    },
  };
}

/** Half of the subscribers first, for what grows only once; garbage collected both times. */
async function measureMemory(load: SseLoad, target: StreamTarget, most: number): Promise<number> {
  await load.open(target, most);
  const before = await settledMemory(target);
  await load.open(target, 2 * most);
  const after = await settledMemory(target);
  await load.close(target.name);
  await sleep(SETTLE_MS);
  return (after - before) / most;
}

async function settledMemory(target: StreamTarget): Promise<number> {
  for (let i = 0; i < 2; i++) {
    await sleep(SETTLE_MS / 2);
    target.collect();
  }
  await sleep(SETTLE_MS / 2);
  return memoryBytes(processTree(target.pid));
}

async function measureRounds(
  load: SseLoad,
  targets: readonly StreamTarget[],
  settings: FanOutSettings,
): Promise<FanOutSample[]> {
  const samples: FanOutSample[] = [];
  let openedAt = Number.NEGATIVE_INFINITY;
  for (let round = 0; round < settings.rounds; round++) {
    if (performance.now() - openedAt > REOPEN_MS) {
      for (const target of targets) {
        await load.close(target.name);
        await load.open(target, settings.subscribers);
      }
      openedAt = performance.now();
    }
    const first = round % targets.length;
    for (const target of [...targets.slice(first), ...targets.slice(0, first)]) {
      const sample = await measure(load, target, settings);
      samples.push({ ...sample, target: target.name, round });
    }
    const said = samples
      .filter(sample => sample.round === round)
      .map(
        one => `${one.target} ${one.perEventUs.toFixed(2)} us (${(one.share * 100).toFixed(0)} %)`,
      );
    console.log(`fan-out ${round + 1}: ${said.join(', ')}`);
  }
  return samples;
}

async function measure(load: SseLoad, target: StreamTarget, settings: FanOutSettings) {
  const { subscribers, measureMs } = settings;
  const pids = processTree(target.pid);
  // Once before, for what is done once.
  await arrived(load, target, subscribers * (await publish(target, WARM_UP_MS)));
  const before = cpuNs(pids);
  const due = subscribers * (await publish(target, measureMs));
  const delivered = await arrived(load, target, due);
  const spentNs = cpuNs(pids) - before;
  return { delivered, share: delivered / due, perEventUs: spentNs / 1000 / delivered };
}

/** How many arrived, once all that are due have, or too much time has passed. */
async function arrived(load: SseLoad, target: StreamTarget, due: number): Promise<number> {
  const until = performance.now() + ARRIVE_MS;
  let count = await load.count(target.name);
  while (count < due && performance.now() < until) {
    await sleep(50);
    count += await load.count(target.name);
  }
  return count;
}

/** By the clock, so that a late timer is made up for. */
async function publish(target: StreamTarget, forMs: number): Promise<number> {
  const beganAt = performance.now();
  let sent = 0;
  for (;;) {
    const elapsedMs = performance.now() - beganAt;
    if (elapsedMs > forMs) return sent;
    for (; sent < (elapsedMs * EVENTS_PER_SECOND) / 1000; sent++) target.publish();
    await sleep(1000 / EVENTS_PER_SECOND);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}
