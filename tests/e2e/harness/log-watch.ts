import { createInterface } from 'node:readline';
import type { TestProcess } from './process.ts';

/** Every line that a process writes from now on, which `TestProcess` keeps only the newest of. */
export interface LogWatch {
  /** All of it, as it was written. */
  text(): string;
  /** The JSON lines that match. */
  find(match: (line: Record<string, unknown>) => boolean): Record<string, unknown>[];
}

/** Lines kept; a test that makes more would not know what it missed. */
const LINES_MAX = 500_000;

export function watchLog({ child }: TestProcess): LogWatch {
  const lines: string[] = [];
  const take = (line: string) => {
    if (lines.length >= LINES_MAX) throw new Error(`more than ${LINES_MAX} lines of log`);
    lines.push(line);
  };
  createInterface({ input: child.stdout! }).on('line', take);
  createInterface({ input: child.stderr! }).on('line', take);
  return {
    text: () => lines.join('\n'),
    find: match =>
      lines
        .filter(line => line.startsWith('{'))
        .map(line => JSON.parse(line) as Record<string, unknown>)
        .filter(match),
  };
}
