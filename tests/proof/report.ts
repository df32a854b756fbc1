import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ControlName, ProofOptions } from './arguments.ts';
import { FAULTS, type Fault } from './faults.ts';
import type { Check, CheckName } from './judge.ts';

const ROOT_DIR = fileURLToPath(new URL('../../', import.meta.url));
const RESULTS_DIR = fileURLToPath(new URL('results', import.meta.url));

export interface ProofResult {
  readonly options: ProofOptions;
  readonly startedAt: string;
  readonly durationS: number;
  readonly faults: readonly Fault[];
  readonly checks: readonly Check[];
  /** Lines of the servers' logs at level error and above. */
  readonly serious: readonly string[];
  /** What went wrong with the proof itself, with the servers' last words at that time. */
  readonly troubles: readonly string[];
  readonly lastLines: readonly string[];
  /** Every check holds. */
  readonly passed: boolean;
}

/** What each control must break; failing elsewhere alone proves nothing about it. */
const NOTICED_BY: Readonly<Record<ControlName, CheckName>> = {
  'fencing-off': 'attempts and fences rise',
  'doorbell-as-truth': 'every subscriber saw it all, once',
  'append-id-ignored': 'logs are 1…N, nothing twice',
};

/** What the exit code follows: a control is good when the proof noticed what it breaks. */
export function isGood({ options, checks }: Pick<ProofResult, 'options' | 'checks'>): boolean {
  const { control } = options;
  if (control === undefined) return checks.every(({ passed }) => passed);
  return checks.some(({ name, passed }) => name === NOTICED_BY[control] && !passed);
}

export function verdict(result: ProofResult): string {
  const { checks, faults, options, passed, serious, durationS } = result;
  const lines = checks.map(check => `${check.passed ? '✓' : '✗'} ${check.name}: ${check.detail}`);
  lines.push(`${countsOf(faults)}, in ${durationS.toFixed(0)} s, SEED=${options.seed}`);
  if (serious.length > 0) lines.push(`! the servers' logs: ${serious.length} errors`);
  if (options.control === undefined) lines.push(passed ? 'PASSED' : 'FAILED');
  else lines.push(`control ${options.control}: ${isGood(result) ? 'noticed' : 'NOT NOTICED'}`);
  return lines.join('\n');
}

/** `12 × worker, 9 × api, …, 3 × freeze, 3 × cut`. */
function countsOf(faults: readonly Fault[]): string {
  const count = (what: string) => `${faults.filter(fault => fault.what === what).length} × ${what}`;
  return FAULTS.map(count).join(', ');
}

function markdownOf(result: ProofResult): string {
  const { checks, faults, options, startedAt } = result;
  const points = new Map<string, number>();
  for (const { point } of faults) points.set(point, (points.get(point) ?? 0) + 1);
  return [
    `# Proof of runs, ${startedAt}`,
    '',
    `${options.runs} runs at work, ${options.subscribers} subscribers. ${countsOf(faults)}; ` +
      `seed ${options.seed}${options.control ? `, control ${options.control}` : ''}.`,
    '',
    '| check | holds | figures |',
    '|---|---|---|',
    ...checks.map(
      ({ name, passed, detail }) => `| ${name} | ${passed ? 'yes' : 'NO'} | ${detail} |`,
    ),
    '',
    '| point | faults |',
    '|---|---|',
    ...[...points].toSorted().map(([point, count]) => `| ${point} | ${count} |`),
    '',
  ].join('\n');
}

/** Answers the Markdown file's name; a JSON file with everything is beside it. */
export async function writeResult(result: ProofResult): Promise<string> {
  await mkdir(RESULTS_DIR, { recursive: true });
  const what = result.options.control ?? 'runs';
  const file = join(RESULTS_DIR, `${result.startedAt.replaceAll(/[:.]/g, '-')}-${what}`);
  const machine = { node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model };
  const text = JSON.stringify({ machine, ...result }, null, 2).replaceAll(ROOT_DIR, '');
  await writeFile(`${file}.json`, `${text}\n`);
  await writeFile(`${file}.md`, markdownOf(result));
  return `${file}.md`;
}
