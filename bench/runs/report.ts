/** Turns the figures into a table, a chart and a file of raw figures. */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Bar, drawChart } from '../lib/chart.ts';
import { BATCH } from './appends.ts';
import { EVENTS_PER_SECOND, GATHER_MS } from './fan-out.ts';
import type { Results } from './results.ts';
import { type Row, rowsOf } from './rows.ts';
import { WARM_UP } from './start.ts';

const resultsDir = new URL('../results/', import.meta.url);

function table(rows: readonly Row[]): string {
  const lines = [
    '| what | beside | ratio (quartiles) | wanted | besides |',
    '|---|---|---:|---:|---|',
  ];
  for (const { what, peer, ratio, target, besides } of rows) {
    lines.push(
      `| ${what} | ${peer} | **${ratio.median.toFixed(2)}** ` +
        `(${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)}) | ${target} | ${besides} |`,
    );
  }
  return lines.join('\n');
}

function story({ settings }: Results): string {
  const [cpu] = cpus();
  const { rounds, measureMs, subscribers, starts, lanes, nice } = settings;
  return [
    `${rounds} rounds in which all take turns, ${measureMs} ms each; ratios are taken within a `,
    'round, shown are their median and quartiles. Servers on one core; PostgreSQL (with fsync), ',
    'subscribers and the worker’s part on the other. ',
    `The machine was shared with other work; processes ran at niceness ${nice}.\n\n`,
    `Start: ${starts} runs a round on a repository of one file, by a server of all roles, each `,
    'canceled once its workspace is ready and followed to its end. `run.started` means that a ',
    'worker has it; fetch and clone come after. Before the first round, each side has had ',
    `${WARM_UP} turns. `,
    `Appends: ${BATCH} sealed events at a time, one driver, one subscriber on another process; `,
    'the bare INSERT goes through the same client, which keeps it prepared too; ',
    'delivery is from the call of the append to its arrival, at full load. ',
    `Fan-out: ${subscribers} readers of one run, ${EVENTS_PER_SECOND} events a second, through `,
    `the journal, PostgreSQL and the server; events within ${GATHER_MS} ms may share a `,
    'write. CPU is the scheduler’s time of the server’s processes, PostgreSQL not included; the ',
    'peers keep no log. At a write for each event they fill their core, and what arrives late is ',
    'not counted. Memory is the growth of resident memory from ',
    `${subscribers} to ${2 * subscribers} idle subscribers, garbage collected. `,
    `No-op: ${lanes} lanes; a run is a row, an event, a job and its claim, start and end, each `,
    'durable and in the log. ',
    `${cpu?.model ?? ''}, ${cpus().length} cores, Node ${process.versions.node}.`,
  ].join('');
}

/** Prints the table and, if `files`, writes `runs.md`, `runs.svg` and `runs.json`. */
export async function writeReport(results: Results, files: boolean): Promise<void> {
  const rows = rowsOf(results);
  const text = table(rows);
  console.log(`\n${text}\n`);
  if (!files) return;
  const bars = rows.map(
    (row): Bar => ({ group: row.what.replaceAll('`', ''), label: row.peer, ...row.ratio }),
  );
  const chart = drawChart('Agent runs, ratio to the peer named', bars);
  const page = `# Benchmark of agent runs\n\n![Ratios](runs.svg)\n\n${text}\n\n${story(results)}\n`;
  await mkdir(resultsDir, { recursive: true });
  await writeFile(new URL('runs.md', resultsDir), page);
  await writeFile(new URL('runs.svg', resultsDir), chart);
  const raw = `${JSON.stringify({ rows, ...results }, null, 1)}\n`;
  await writeFile(new URL('runs.json', resultsDir), raw);
  console.log(`written to ${fileURLToPath(resultsDir)}`);
}
