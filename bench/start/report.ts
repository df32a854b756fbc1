/** Turns the figures into a table and a file of raw figures. */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { spread } from '../lib/stats.ts';
import { GROUPS, type Group, type Start, togetherBytes } from './measure.ts';

interface Side {
  /** The commit of the checkout. */
  readonly commit: string;
  readonly starts: readonly Start[];
}

export interface Results {
  readonly rounds: number;
  readonly idleMs: number;
  readonly nice: number;
  /** This checkout first. */
  readonly sides: readonly Side[];
}

interface Row {
  readonly what: string;
  readonly wanted: string;
  readonly unit: string;
  readonly digits: number;
  /** The figures that count, of which the median is shown. */
  figures(starts: readonly Start[]): number[];
}

const resultsDir = new URL('../results/', import.meta.url);
const MIB = 2 ** 20;

const seconds = (kind: Start['kind']) => (starts: readonly Start[]) =>
  starts.filter(start => start.kind === kind).map(({ readyMs }) => readyMs / 1_000);
const cpuSeconds = (kind: Start['kind']) => (starts: readonly Start[]) =>
  starts
    .filter(start => start.kind === kind)
    .map(({ readyCpuMs }) => GROUPS.reduce((sum, group) => sum + readyCpuMs[group], 0) / 1_000);
const megabytes = (bytes: (start: Start) => number) => (starts: readonly Start[]) =>
  starts.map(start => bytes(start) / MIB);

const ROWS: readonly Row[] = [
  { what: 'ready, first start', wanted: '≤ 4', unit: 's', digits: 1, figures: seconds('first') },
  { what: 'ready, later start', wanted: '≤ 2.5', unit: 's', digits: 1, figures: seconds('later') },
  {
    what: 'CPU of all parts until ready, first start',
    wanted: '–',
    unit: 's',
    digits: 1,
    figures: cpuSeconds('first'),
  },
  {
    what: 'CPU of all parts until ready, later start',
    wanted: '–',
    unit: 's',
    digits: 1,
    figures: cpuSeconds('later'),
  },
  {
    what: 'server and database together, idle',
    wanted: '≤ 350',
    unit: 'MB',
    digits: 0,
    figures: megabytes(({ idle }) => togetherBytes(idle)),
  },
  {
    what: 'server and database together, peak',
    wanted: '≤ 450',
    unit: 'MB',
    digits: 0,
    figures: megabytes(({ peakTogetherBytes }) => peakTogetherBytes),
  },
  ...GROUPS.flatMap(rowsOf),
];

function rowsOf(group: Group): Row[] {
  const memory = { wanted: '–', unit: 'MB', digits: 0 };
  return [
    {
      ...memory,
      what: `${group}, idle (PSS)`,
      figures: megabytes(({ idle }) => idle.pssBytes[group]),
    },
    {
      ...memory,
      what: `${group}, idle (RSS)`,
      figures: megabytes(({ idle }) => idle.rssBytes[group]),
    },
    {
      ...memory,
      what: `${group}, peak (PSS)`,
      figures: megabytes(({ peak }) => peak.pssBytes[group]),
    },
    {
      what: `${group}, CPU while idle`,
      wanted: '–',
      unit: '%',
      digits: 1,
      figures: starts => starts.map(({ idleCpu }) => idleCpu[group] * 100),
    },
  ];
}

function table(sides: readonly Side[]): string {
  const lines = [
    `| what | wanted | ${sides.map(({ commit }) => commit).join(' | ')} |`,
    `|---|---:|${sides.map(() => '---:|').join('')}`,
  ];
  for (const { what, wanted, unit, digits, figures } of ROWS) {
    const cells = sides.map(({ starts }) => {
      const { median, low, high } = spread(figures(starts));
      const text = (value: number) => value.toFixed(digits);
      return `**${text(median)}** ${unit} (${text(low)}–${text(high)})`;
    });
    lines.push(`| ${what} | ${wanted} | ${cells.join(' | ')} |`);
  }
  return lines.join('\n');
}

export async function writeReport(results: Results, files: boolean): Promise<void> {
  const { rounds, idleMs, nice, sides } = results;
  const story = [
    `${rounds} rounds of a first start, on a fresh data folder with the console built, and a `,
    'later one, by `npm start` with the simulated model; all checkouts take turns. Shown are ',
    'median and quartiles. Ready is from the start of npm to the banner, behind `/readyz`. Idle ',
    `is taken ${idleMs / 1_000} s later, CPU over the ${idleMs / 1_000} s after that, of one `,
    'core; peaks are the most that was seen from the start on, every 0.2 s. The database is all ',
    'of its processes; PSS divides what processes share; together means the RSS of the server ',
    'and the PSS of the database. Where there is no database process it is inside of the server, ',
    `and so is the worker. Niceness ${nice}. `,
    `${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.versions.node}.`,
  ].join('');
  const text = `# Benchmark of starting\n\n${table(sides)}\n\n${story}\n`;
  console.log(text);
  if (!files) return;
  await mkdir(resultsDir, { recursive: true });
  await writeFile(new URL('start.md', resultsDir), text);
  await writeFile(new URL('start.json', resultsDir), `${JSON.stringify(results, null, 1)}\n`);
  console.log(`written to ${fileURLToPath(resultsDir)}`);
}
