import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { slowestFiles } from './durations.ts';
import { closing, type Report, vitestArguments } from './summary.ts';

function report(passed: number, failed: number, files: Report['testResults'] = []): Report {
  return { numPassedTests: passed, numFailedTests: failed, testResults: files };
}

describe('closing line', () => {
  it.each<[string, Report | null, number, string, number]>([
    ['all passed', report(7, 0), 0, '7 passed, 0 failed', 0],
    ['some failed', report(7, 2), 1, '7 passed, 2 failed', 1],
    ['failed, though Vitest exits with 0', report(7, 2), 0, '7 passed, 2 failed', 1],
    ['nothing ran', report(0, 0), 0, '0 passed, 1 failed', 1],
    ['no report', null, 1, '0 passed, 1 failed', 1],
    ['an unhandled rejection or too little coverage', report(7, 0), 1, '7 passed, 1 failed', 1],
    [
      'a file that could not be loaded',
      report(7, 0, [{ status: 'failed', assertionResults: [] }]),
      1,
      '7 passed, 1 failed',
      1,
    ],
    [
      'a file with a failed test, counted once',
      report(0, 1, [{ status: 'failed', assertionResults: [{ status: 'failed' }] }]),
      1,
      '0 passed, 1 failed',
      1,
    ],
  ])('%s', (_, given, vitestCode, line, exitCode) => {
    const result = closing(given, vitestCode);
    expect(result.lines.at(-1)).toBe(line);
    expect(result.exitCode).toBe(exitCode);
  });
});

describe('arguments', () => {
  it('are passed on, and coverage includes the processes that tests start', () => {
    const files = { results: 'r.json', durations: 'd.json' };
    expect(vitestArguments(['a.test.ts', '-t', 'x'], files)).toEqual([
      ...['run', 'a.test.ts', '-t', 'x', '--reporter=default', '--reporter=json'],
      expect.stringMatching(/^--reporter=.*durations\.ts$/),
      ...['--outputFile.json=r.json', '--outputFile.durations=d.json'],
    ]);
    expect(vitestArguments(['--coverage'], files)).toEqual(
      expect.arrayContaining([
        '--coverage.autoAttachSubprocess=true',
        '--coverage.reportOnFailure=true',
      ]),
    );
  });
});

describe('slowest files', () => {
  const took = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ file: `${n}.test.ts`, durationMs: 950 * n }));

  it('are ten, the slowest first, with their seconds', () => {
    const lines = slowestFiles(took(12));
    expect(lines).toHaveLength(11);
    expect(lines.slice(0, 3)).toEqual([
      'Slowest files:',
      '   10.4 s  11.test.ts',
      '    9.5 s  10.test.ts',
    ]);
    expect(slowestFiles(took(2))).toHaveLength(3);
  });

  it('are left out where nothing ran', () => {
    expect(slowestFiles([])).toEqual([]);
  });
});

describe('npm test', () => {
  const script = fileURLToPath(new URL('../test.ts', import.meta.url));

  /** Runs the real thing on a test file written for the purpose, below this folder. */
  async function run(source: string): Promise<{ lines: string[]; code: number }> {
    const dir = await mkdtemp(fileURLToPath(new URL('./probe-', import.meta.url)));
    onTestFinished(() => rm(dir, { recursive: true }));
    await writeFile(join(dir, 'probe.test.ts'), source);
    const env = { ...process.env, VITEST: undefined, VITEST_WORKER_ID: undefined };
    return new Promise(resolve => {
      execFile(process.execPath, [script, join(dir, 'probe.test.ts')], { env }, (error, stdout) => {
        const code = error === null ? 0 : Number(error.code);
        resolve({ lines: stdout.trimEnd().split('\n'), code });
      });
    });
  }

  it('ends with the slowest files, the counts and an honest exit code', async () => {
    const source = `import { beforeAll, expect, it } from 'vitest';
      beforeAll(() => new Promise(resolve => setTimeout(resolve, 300)));
      it('passes', () => {});
      it('fails', () => expect(1).toBe(2));`;
    const { lines, code } = await run(source);
    expect(lines.at(-1)).toBe('1 passed, 1 failed');
    expect(code).toBe(1);
    expect(lines.at(-3)).toBe('Slowest files:');
    const [, seconds] = /^ +(\d+\.\d) s {2}tools\/test\/probe-\w+\/probe\.test\.ts$/.exec(
      lines.at(-2)!,
    )!;
    expect(Number(seconds)).toBeGreaterThanOrEqual(0.3);
  }, 180_000);

  it('does not report a broken file as a success', async () => {
    const { lines, code } = await run(`throw new Error('broken');`);
    expect(lines.at(-1)).toBe('0 passed, 1 failed');
    expect(code).toBe(1);
  }, 180_000);
});
