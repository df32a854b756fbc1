import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const DURATIONS_REPORTER = fileURLToPath(new URL('./durations.ts', import.meta.url));

/** Where Vitest's reporters write to. */
export interface ReportFiles {
  /** Of its `json` reporter. */
  readonly results: string;
  readonly durations: string;
}

/** The parts of Vitest's JSON report that are read (its `json` reporter). */
export interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/** Vitest's arguments: one run, the usual output, and the reports for the closing lines. */
export function vitestArguments(
  given: readonly string[],
  { results, durations }: ReportFiles,
): string[] {
  const reporters = ['default', 'json', DURATIONS_REPORTER].map(name => `--reporter=${name}`);
  const files = [`--outputFile.json=${results}`, `--outputFile.durations=${durations}`];
  return ['run', ...given, ...reporters, ...files, ...(measuresCoverage(given) ? COVERAGE : [])];
}

export function measuresCoverage(given: readonly string[]): boolean {
  return given.includes('--coverage');
}

/** Processes and threads that tests start count too; failed tests do not hide the figures. */
const COVERAGE = ['--coverage.autoAttachSubprocess=true', '--coverage.reportOnFailure=true'];

/** Null when the run ended before it could report. */
export async function readReport(file: string): Promise<Report | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Report;
  } catch {
    return null;
  }
}

/**
 * What stands below the run, and the exit code. A file that could not be loaded counts as one
 * failure, a run without a test too, and whatever else made Vitest end with an error (an unhandled
 * rejection, too little coverage) as at least one: the line never reports less than the exit code.
 */
export function closing(
  report: Report | null,
  vitestCode: number,
): { lines: string[]; exitCode: number } {
  const passed = report?.numPassedTests ?? 0;
  const counted = (report?.numFailedTests ?? 0) + brokenFiles(report);
  const reason = hiddenFailure(report, vitestCode, counted, passed);
  const failed = counted + (reason === undefined ? 0 : 1);
  return {
    lines: [...(reason === undefined ? [] : [reason]), `${passed} passed, ${failed} failed`],
    exitCode: failed > 0 ? 1 : 0,
  };
}

/** Files that failed as a whole, with no failed test of their own. */
function brokenFiles(report: Report | null): number {
  const files = report?.testResults ?? [];
  return files.filter(
    file =>
      file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed'),
  ).length;
}

function hiddenFailure(
  report: Report | null,
  vitestCode: number,
  counted: number,
  passed: number,
): string | undefined {
  if (report === null) return 'The run ended before it could report.';
  if (counted > 0) return undefined;
  if (vitestCode !== 0) return 'No test failed, but the run did: the reason stands above.';
  return passed === 0 ? 'Not a single test ran.' : undefined;
}
