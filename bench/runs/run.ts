/**
 * What agent runs cost, as ratios to other programs in the same go: starting one (pg-boss), durable
 * appends (bare INSERT and NOTIFY), many subscribers (nginx with nchan, bare `node:http`), and runs
 * that do nothing (pg-boss). Servers have one core, everything else the other: PostgreSQL, which
 * syncs to disk, subscribers, and the worker's part. All take turns, round by round, so that a
 * disturbance of the machine meets all of them. Writes a table, a chart and the raw figures to
 * bench/results/.
 *
 * Options: --rounds 7 --starts 7 --subscribers 1000 --lanes 10 --measure 2000 (ms)
 * --server-core 0 --other-core 1 --only start,appends,fan-out,no-op --no-files
 * --nice=-10 (before other work on these cores; needs root)
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pin, priority } from '../lib/child.ts';
import { measureAppends } from './appends.ts';
import { measureFanOut } from './fan-out.ts';
import { measureNoOps } from './no-op.ts';
import { writeReport } from './report.ts';
import type { Results, Settings } from './results.ts';
import { Stack } from './stack.ts';
import { measureStarts } from './start.ts';

export async function run(args: string[]): Promise<void> {
  const { settings, only, files } = readOptions(args);
  priority.nice = settings.nice;
  setPriority(settings.nice);
  pin(process.pid, settings.otherCore);
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  const stack = await Stack.start({ ...settings, dir });
  try {
    await writeReport(await measureAll(stack, settings, { only, dir }), files);
  } finally {
    await stack.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

async function measureAll(
  stack: Stack,
  settings: Settings,
  { only, dir }: { only: readonly string[]; dir: string },
): Promise<Results> {
  const starts = only.includes('start') ? await measureStarts(stack, settings) : [];
  // The runs that follow are driven from here: no worker may take them.
  const server = await stack.server('gateway,api');
  try {
    const appends = only.includes('appends') ? await measureAppends(stack, server, settings) : [];
    const fanOut = only.includes('fan-out')
      ? await measureFanOut(stack, server, { ...settings, dir })
      : { samples: [], memoryBytes: {} };
    const noOps = only.includes('no-op') ? await measureNoOps(stack, server, settings) : [];
    return { settings, starts, appends, fanOut, noOps };
  } finally {
    await server.stop();
  }
}

function readOptions(args: string[]) {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      rounds: text('7'),
      starts: text('7'),
      subscribers: text('1000'),
      lanes: text('10'),
      measure: text('2000'),
      'server-core': text('0'),
      'other-core': text('1'),
      only: text('start,appends,fan-out,no-op'),
      files: { type: 'boolean', default: true },
      nice: text('0'),
    },
  });
  const settings: Settings = {
    rounds: Number(values.rounds),
    starts: Number(values.starts),
    subscribers: Number(values.subscribers),
    lanes: Number(values.lanes),
    measureMs: Number(values.measure),
    core: Number(values['server-core']),
    otherCore: Number(values['other-core']),
    nice: Number(values.nice),
  };
  return { settings, only: values.only.split(','), files: values.files };
}
