/**
 * Vitest's reporter `durations`: writes how long each test file took, its imports and hooks
 * included, which the JSON report leaves out. `--outputFile.durations` names the file.
 */
import { readFile, writeFile } from 'node:fs/promises';
import type { Reporter, TestModule, Vitest } from 'vitest/node';

export interface FileDuration {
  /** Relative to the repository. */
  readonly file: string;
  readonly durationMs: number;
}

const SHOWN_FILES = 10;

export default class DurationsReporter implements Reporter {
  #outputFile: string | undefined;

  onInit({ config }: Vitest): void {
    if (typeof config.outputFile === 'object') this.#outputFile = config.outputFile.durations;
  }

  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    if (this.#outputFile === undefined) return;
    const files = modules.map((module): FileDuration => {
      const { prepareDuration, setupDuration, collectDuration, duration } = module.diagnostic();
      const durationMs = prepareDuration + setupDuration + collectDuration + duration;
      return { file: module.relativeModuleId, durationMs };
    });
    await writeFile(this.#outputFile, JSON.stringify(files));
  }
}

/** Empty when the run ended before it could report. */
export async function readDurations(file: string): Promise<FileDuration[]> {
  const text = await readFile(file, 'utf8').catch(() => '[]');
  return JSON.parse(text) as FileDuration[];
}

/** The ten slowest files with their seconds, the slowest first. */
export function slowestFiles(durations: readonly FileDuration[]): string[] {
  const slowest = durations.toSorted((a, b) => b.durationMs - a.durationMs).slice(0, SHOWN_FILES);
  const lines = slowest.map(
    ({ file, durationMs }) => `${(durationMs / 1000).toFixed(1).padStart(7)} s  ${file}`,
  );
  return lines.length === 0 ? [] : ['Slowest files:', ...lines];
}
