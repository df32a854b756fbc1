import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The cells of the matrix: for each section, row and column what becomes of each parameter. They
 * are what was seen, written by `CLIENTS_UPDATE=1 npm run test:clients` and compared by every run.
 * A verdict is `passed`, `translated`, `left out` (the client is warned, or the protocol of the
 * reader has no such field), `not shown`, `not sent`, or `refused: <message>`.
 */
export type Verdicts = Record<string, string[]>;
export type Cells = Record<string, Record<string, Record<string, Verdicts>>>;

export const CELLS_FILE = fileURLToPath(new URL('cells.json', import.meta.url));

export function readCells(): Cells {
  return JSON.parse(readFileSync(CELLS_FILE, 'utf8')) as Cells;
}

/** Groups parameters by their verdict, which is short where nearly all are alike. */
export function byVerdict(verdicts: ReadonlyMap<string, string>): Verdicts {
  const groups: Verdicts = {};
  for (const [path, verdict] of verdicts) {
    groups[verdict] ??= [];
    groups[verdict].push(path);
  }
  return groups;
}
