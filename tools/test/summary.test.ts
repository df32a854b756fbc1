import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { closing, type Report, vitestArguments } from './summary.ts';

function report(passed: number, failed: number, files: Report['testResults'] = []): Report {
  return { numPassedTests: passed, numFailedTests: failed, testResults: files };
}

describe('closing line', () => {
  it.each<[string, Report | null, number, string, number]>([
    ['all passed', report(7, 0), 0, '7 passed, 0 failed', 0],
    ['some failed', report(7, 2), 1, '7 passed, 2 failed', 1],
    ['failed, though Vitest says it is fine', report(7, 2), 0, '7 passed, 2 failed', 1],
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
    expect(vitestArguments(['a.test.ts', '-t', 'x'], 'r.json')).toEqual([
      ...['run', 'a.test.ts', '-t', 'x'],
      ...['--reporter=default', '--reporter=json', '--outputFile.json=r.json'],
    ]);
    expect(vitestArguments(['--coverage'], 'r.json')).toEqual(
      expect.arrayContaining([
        '--coverage.autoAttachSubprocess=true',
        '--coverage.reportOnFailure=true',
      ]),
    );
  });
});

describe('npm test', () => {
  const script = fileURLToPath(new URL('../test.ts', import.meta.url));

  /** Runs the real thing on a test file written for the purpose, below this folder. */
  async function run(source: string): Promise<{ lastLine: string; code: number }> {
    const dir = await mkdtemp(fileURLToPath(new URL('./probe-', import.meta.url)));
    onTestFinished(() => rm(dir, { recursive: true }));
    await writeFile(join(dir, 'probe.test.ts'), source);
    const env = { ...process.env, VITEST: undefined, VITEST_WORKER_ID: undefined };
    return new Promise(resolve => {
      execFile(process.execPath, [script, join(dir, 'probe.test.ts')], { env }, (error, stdout) => {
        const code = error === null ? 0 : Number(error.code);
        resolve({ lastLine: stdout.trimEnd().split('\n').at(-1)!, code });
      });
    });
  }

  it('ends with the counts and an honest exit code', async () => {
    const source = `import { expect, it } from 'vitest';
      it('passes', () => {});
      it('fails', () => expect(1).toBe(2));`;
    expect(await run(source)).toEqual({ lastLine: '1 passed, 1 failed', code: 1 });
  }, 60_000);

  it('does not call a broken file a success', async () => {
    expect(await run(`throw new Error('broken');`)).toEqual({
      lastLine: '0 passed, 1 failed',
      code: 1,
    });
  }, 60_000);
});
