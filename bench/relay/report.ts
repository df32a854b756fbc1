/** Turns the samples into a table, a chart and a file of raw figures. */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Bar, drawChart } from '../lib/chart.ts';
import { type Spread, spread } from '../lib/stats.ts';
import type { Results, Sample } from './results.ts';

const resultsDir = new URL('../results/', import.meta.url);

interface Row {
  readonly target: string;
  readonly sizeBytes: number;
  /** CPU time per relayed frame. */
  readonly perFrameUs: Spread;
  /** The same as a ratio to nginx in the same round. */
  readonly ratio: Spread;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

function perFrameUs(sample: Sample): number {
  return sample.cpuNs / 1000 / sample.frames;
}

function rowsOf(results: Results): Row[] {
  const { samples, settings } = results;
  const names = [...new Set(samples.map(sample => sample.target))].sort(
    (a, b) => order(results, a) - order(results, b),
  );
  return settings.sizes.flatMap(sizeBytes =>
    names.map(target => {
      const own = samples.filter(s => s.target === target && s.sizeBytes === sizeBytes);
      const base = new Map(
        samples
          .filter(s => s.target === 'nginx' && s.sizeBytes === sizeBytes)
          .map(s => [s.round, perFrameUs(s)]),
      );
      return {
        target,
        sizeBytes,
        perFrameUs: spread(own.map(perFrameUs)),
        ratio: spread(own.map(s => perFrameUs(s) / (base.get(s.round) ?? Number.NaN))),
        p50Ms: spread(own.map(s => s.p50Ms)).median,
        p99Ms: spread(own.map(s => s.p99Ms)).median,
      };
    }),
  );
}

/** In the order in which the relays were started. */
function order(results: Results, target: string): number {
  return Object.keys(results.idleBytes).indexOf(target);
}

function table(rows: readonly Row[], results: Results): string {
  const lines = [
    '| relay | frame | CPU per frame | ratio to nginx (quartiles) | p50 | p99 | idle session |',
    '|---|---:|---:|---:|---:|---:|---:|',
  ];
  for (const row of rows) {
    const { ratio } = row;
    const idle = results.idleBytes[row.target]!;
    lines.push(
      `| ${row.target} | ${row.sizeBytes.toLocaleString('en')} B ` +
        `| ${row.perFrameUs.median.toFixed(1)} µs | **${ratio.median.toFixed(2)}** ` +
        `(${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)}) ` +
        `| ${row.p50Ms.toFixed(2)} ms | ${row.p99Ms.toFixed(2)} ms ` +
        `| ${idle === 0 ? '–' : `${(idle / 1024).toFixed(1)} KB`} |`,
    );
  }
  return lines.join('\n');
}

function story(results: Results): string {
  const { settings } = results;
  const [cpu] = cpus();
  return [
    `${settings.sessions} sessions, ${settings.framesPerSecond} frames a second each way, `,
    `${settings.rounds} rounds of ${settings.measureMs} ms per relay and size in turn, plain TCP, `,
    'relays on one core, load on the other. CPU is the scheduler’s time of all threads of the ',
    'relay’s processes; a frame counts once per direction. The ratio is taken within each round; ',
    'shown are median and quartiles. Latency is from the write at one end to the whole frame at ',
    `the other, load included. Memory: resident growth per session from `,
    `${Math.ceil(settings.idleSessions / 2)} to ${settings.idleSessions} idle ones, garbage `,
    `collected. ${cpu?.model ?? ''}, ${cpus().length} cores, Node ${process.versions.node}.`,
  ].join('');
}

/** Prints the table and, if `files`, writes `relay.md`, `relay.svg` and `relay.json`. */
export async function writeReport(results: Results, files: boolean): Promise<void> {
  const rows = rowsOf(results);
  const text = table(rows, results);
  console.log(`\n${text}\n`);
  if (!files) return;
  const bars: Bar[] = rows.map(row => ({
    group: `${row.sizeBytes.toLocaleString('en')}-byte frames`,
    label: row.target,
    ...row.ratio,
  }));
  const chart = drawChart('CPU per relayed frame, nginx = 1', bars);
  const title = '# Relay benchmark\n\n![CPU per relayed frame](relay.svg)';
  const page = `${title}\n\n${text}\n\n${story(results)}\n`;
  await mkdir(resultsDir, { recursive: true });
  await writeFile(new URL('relay.md', resultsDir), page);
  await writeFile(new URL('relay.svg', resultsDir), chart);
  await writeFile(
    new URL('relay.json', resultsDir),
    `${JSON.stringify({ rows, ...results }, null, 1)}\n`,
  );
  console.log(`written to ${fileURLToPath(resultsDir)}`);
}
