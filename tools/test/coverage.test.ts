import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type CoverageSummary,
  coverageTable,
  readCoverage,
  shortfalls,
  summarise,
} from './coverage.ts';
import { vitestArguments } from './summary.ts';

const lines = (covered: number, total: number) => ({ lines: { covered, total } });

describe('coverage summary', () => {
  const istanbul = {
    total: lines(0, 0),
    '/r/packages/server/src/a.ts': lines(10, 10),
    '/r/packages/server/src/b.ts': lines(10, 20),
    '/r/packages/server/src/c.ts': lines(64, 70),
    '/r/packages/client/src/d.ts': lines(9, 10),
    '/r/elsewhere.ts': lines(0, 99),
  };

  it('adds up lines per package, worst files first', () => {
    const summary = summarise(istanbul, '/r');
    expect(summary).toMatchObject({ covered: 93, total: 110 });
    expect(Object.keys(summary.packages)).toEqual(['client', 'server']);
    expect(summary.packages.server).toMatchObject({ covered: 84, total: 100, percent: 84 });
    const worst = ['packages/server/src/b.ts', 'packages/server/src/c.ts'];
    expect(summary.packages.server!.files.map(({ file }) => file)).toEqual(worst);
    expect(coverageTable(summary).at(-1)).toBe('Lines covered: 84.54 % of lines (93 of 110)');
  });

  it('names each share that is too small, without rounding up', () => {
    expect(shortfalls(summarise(istanbul, '/r'))).toEqual([
      'Too little is tested: server 84.00 % of lines (84 of 100).',
      'Too little is tested: all 84.54 % of lines (93 of 110).',
    ]);
    const enough = summarise({ '/r/packages/server/src/a.ts': lines(900, 1000) }, '/r');
    expect(shortfalls(enough)).toEqual([]);
    const almost = summarise({ '/r/packages/server/src/a.ts': lines(8999, 10_000) }, '/r');
    expect(shortfalls(almost)).toHaveLength(2);
    expect(shortfalls(null)).toEqual(['No coverage was measured.']);
  });
});

const SUBJECT = `
type Word = string;

export function inTheTest(word: Word): Word {
  return word;
}

export function inAProcess(
  word: Word,
): Word {
  return word;
}

export function inAThread(word: Word): Word {
  return word;
}

export function nowhere(word: Word): Word {
  return word;
}
`;

const TEST = `
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { inTheTest } from './packages/server/src/subject.ts';

it('uses it here and elsewhere', () => {
  expect(inTheTest('here')).toBe('here');
  const child = new URL('./process.ts', import.meta.url).pathname;
  expect(spawnSync(process.execPath, [child]).status).toBe(0);
});
`;

const CONFIG = `export default { test: { include: ['probe.test.ts'], coverage: {
  provider: 'v8', include: ['packages/*/src/**/*.ts'], reporter: ['json', 'json-summary'],
} } };`;

/** Runs Vitest as `npm test -- --coverage` does, on a project of its own below this folder. */
async function measure(files: Readonly<Record<string, string>>) {
  const root = await mkdtemp(fileURLToPath(new URL('./probe-', import.meta.url)));
  onTestFinished(() => rm(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  const manifest = createRequire(import.meta.url).resolve('vitest/package.json');
  const vitest = join(dirname(manifest), 'vitest.mjs');
  const reports = { results: join(root, 'results.json'), durations: join(root, 'durations.json') };
  const args = vitestArguments(['--coverage', `--root=${root}`], reports);
  const outer = { VITEST: undefined, VITEST_WORKER_ID: undefined, NODE_COMPILE_CACHE: undefined };
  const env = { ...process.env, ...outer };
  await new Promise<void>((resolve, reject) => {
    execFile(process.execPath, [vitest, ...args], { env, cwd: root }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${stdout}\n${stderr}`));
      else resolve();
    });
  });
  const folder = join(root, 'coverage');
  return { summary: (await readCoverage(folder, root))!, folder };
}

describe('npm test -- --coverage', () => {
  it('adds what a process and a thread ran to what the test ran, line by line', async () => {
    const use = (name: string) =>
      `import { ${name} } from './packages/server/src/subject.ts';\n${name}('there');\n`;
    const { summary, folder } = await measure({
      'vitest.config.ts': CONFIG,
      'package.json': '{"type":"module"}',
      'packages/server/src/subject.ts': SUBJECT,
      'packages/server/src/untouched.ts': 'export const one = 1;\nexport const two = 2;\n',
      'probe.test.ts': TEST,
      'process.ts': `${use('inAProcess')}
import { Worker } from 'node:worker_threads';
new Worker(new URL('./thread.ts', import.meta.url));\n`,
      'thread.ts': use('inAThread'),
    });
    const server = summary.packages.server!;
    expect(server.files.map(({ file, covered, total }) => [file, total - covered])).toEqual([
      ['packages/server/src/untouched.ts', 2],
      ['packages/server/src/subject.ts', 1],
    ]);
    const written = await readFile(join(folder, 'summary.json'), 'utf8');
    expect(JSON.parse(written) as CoverageSummary).toEqual(summary);
  }, 180_000);
});
