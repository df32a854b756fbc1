import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SoakOptions } from './arguments.ts';
import type { Check } from './checks.ts';
import type { MemorySample } from './inspector.ts';
import type { LoadProgress } from './messages.ts';
import { type Slope, slopeOf } from './slope.ts';

const RESULTS_DIR = fileURLToPath(new URL('results', import.meta.url));

/** The server's memory and the load's progress at one moment. */
export interface Sample extends MemorySample {
  readonly atMs: number;
  readonly load: LoadProgress;
}

/** How memory grew after the warm-up, in MB a minute. */
export interface Growth {
  readonly heapAndExternal: Slope;
  readonly rss: Slope;
  /** Samples that were counted. */
  readonly samples: number;
}

export function growthOf(samples: readonly Sample[], warmUpMs: number): Growth {
  const counted = samples.filter(sample => sample.atMs >= warmUpMs);
  const slope = (value: (sample: Sample) => number) =>
    slopeOf(counted.map(sample => ({ minutes: sample.atMs / 60_000, value: value(sample) })));
  return {
    heapAndExternal: slope(sample => sample.heapUsedMb + sample.externalMb),
    rss: slope(sample => sample.rssMb),
    samples: counted.length,
  };
}

export function checkGrowth(growth: Growth, maxMbPerMinute: number): Check {
  const { heapAndExternal, rss, samples } = growth;
  return {
    name: `heap grows by less than ${maxMbPerMinute} MB/min`,
    passed: heapAndExternal.perMinute < maxMbPerMinute,
    detail:
      `heapUsed + external ${show(heapAndExternal)} MB/min, RSS ${show(rss)} MB/min, ` +
      `from ${samples} samples`,
  };
}

function show({ perMinute, standardError }: Slope): string {
  return `${perMinute >= 0 ? '+' : ''}${perMinute.toFixed(2)} ± ${standardError.toFixed(2)}`;
}

const COLUMNS = ['s', 'heap+ext MB', 'heap', 'external', 'RSS', 'up/s', 'down/s', 'late ms', 'cpu'];
const WIDTHS = [6, 12, 8, 9, 8, 7, 7, 8, 6];

export function tableHead(): string {
  return row(COLUMNS);
}

/** One line of the table; rates and CPU (of the server, in cores) since the sample before. */
export function tableRow(sample: Sample, before: Sample | undefined): string {
  const seconds = (sample.atMs - (before?.atMs ?? 0)) / 1_000;
  const rate = (now: number, then = 0) => ((now - then) / seconds).toFixed(0);
  const cores = before ? (sample.cpuSeconds - before.cpuSeconds) / seconds : Number.NaN;
  return row([
    (sample.atMs / 1_000).toFixed(0),
    (sample.heapUsedMb + sample.externalMb).toFixed(2),
    sample.heapUsedMb.toFixed(2),
    sample.externalMb.toFixed(2),
    sample.rssMb.toFixed(1),
    rate(sample.load.framesSent, before?.load.framesSent),
    rate(sample.load.framesReceived, before?.load.framesReceived),
    sample.load.lateMaxMs.toFixed(0),
    Number.isNaN(cores) ? '' : cores.toFixed(2),
  ]);
}

function row(cells: readonly string[]): string {
  return cells.map((cell, index) => cell.padStart(WIDTHS[index]!)).join(' ');
}

export interface SoakResult {
  readonly options: SoakOptions;
  readonly startedAt: string;
  readonly samples: readonly Sample[];
  readonly growth: Growth;
  readonly checks: readonly Check[];
  /** Lines of the server's log at level warn and above. */
  readonly serious: readonly string[];
  readonly passed: boolean;
}

export function verdict({ checks, passed, serious }: SoakResult): string {
  const lines = checks.map(check => `${check.passed ? '✓' : '✗'} ${check.name}: ${check.detail}`);
  if (serious.length > 0) lines.push(`! the server's log: ${serious.length} warnings or errors`);
  return [...lines, passed ? 'PASSED' : 'FAILED'].join('\n');
}

/** Answers the file's name. */
export async function writeResult(result: SoakResult): Promise<string> {
  await mkdir(RESULTS_DIR, { recursive: true });
  const name = `${result.startedAt.replaceAll(/[:.]/g, '-')}-${result.options.stack}.json`;
  const machine = { node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model };
  const file = join(RESULTS_DIR, name);
  await writeFile(file, `${JSON.stringify({ machine, ...result }, null, 2)}\n`);
  return file;
}
