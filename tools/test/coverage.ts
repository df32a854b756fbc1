/**
 * Line coverage for `npm test -- --coverage`. Vitest measures: the code in its workers, and
 * that of the processes and threads that tests start and that end by themselves (those killed
 * outright leave nothing), and merges both by line. Here its per-file summary becomes a table, a
 * file for machines, and a verdict: each package, and all together, must reach `LINES_MIN_PERCENT`.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** Share of lines of server, protocol and client that tests must reach, in percent. */
const LINES_MIN_PERCENT = 90;
const WORST_FILES = 10;
const TOTAL = 'total';

/** The part of Istanbul's `coverage-summary.json` that is read: absolute file names and `total`. */
export type IstanbulSummary = Readonly<
  Record<string, { readonly lines: { readonly total: number; readonly covered: number } }>
>;

interface Lines {
  readonly total: number;
  readonly covered: number;
  readonly percent: number;
}

interface FileLines extends Lines {
  /** Relative to the repository. */
  readonly file: string;
}

interface PackageLines extends Lines {
  /** Most lines without a test first; complete files are left out. */
  readonly files: readonly FileLines[];
}

export interface CoverageSummary extends Lines {
  readonly packages: Readonly<Record<string, PackageLines>>;
}

/** What was measured in `folder`, also written there as `summary.json`. Null: nothing was. */
export async function readCoverage(folder: string, root: string): Promise<CoverageSummary | null> {
  const text = await readFile(join(folder, 'coverage-summary.json'), 'utf8').catch(() => null);
  if (text === null) return null;
  const summary = summarise(JSON.parse(text) as IstanbulSummary, root);
  await writeFile(join(folder, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  return summary;
}

export function summarise(istanbul: IstanbulSummary, root: string): CoverageSummary {
  const byPackage = new Map<string, FileLines[]>();
  for (const [path, { lines }] of Object.entries(istanbul)) {
    if (path === TOTAL) continue;
    const file = relative(root, path).replaceAll('\\', '/');
    const name = /^packages\/([^/]+)\//.exec(file)?.[1];
    if (name === undefined) continue;
    const files = byPackage.get(name) ?? [];
    files.push({ file, ...linesOf([lines]) });
    byPackage.set(name, files);
  }
  const packages = [...byPackage].sort().map(([name, all]): [string, PackageLines] => {
    const files = all.filter(file => file.covered < file.total).sort(byMissing);
    return [name, { ...linesOf(all), files }];
  });
  return {
    ...linesOf(packages.map(([, lines]) => lines)),
    packages: Object.fromEntries(packages),
  };
}

/** The table: per package its share and its worst files, then all together. */
export function coverageTable(summary: CoverageSummary): string[] {
  const lines: string[] = [];
  for (const [name, { files, ...share }] of Object.entries(summary.packages)) {
    lines.push('', `${name}: ${show(share)}`);
    for (const file of files.slice(0, WORST_FILES)) {
      const missing = String(missingOf(file)).padStart(5);
      lines.push(`${missing} missing ${file.percent.toFixed(1).padStart(6)} %  ${file.file}`);
    }
  }
  return [...lines, '', `Lines covered: ${show(summary)}`];
}

/** One sentence for each share that is too small. */
export function shortfalls(summary: CoverageSummary | null): string[] {
  if (summary === null) return ['No coverage was measured.'];
  const shares: [string, Lines][] = [...Object.entries(summary.packages), ['all', summary]];
  return shares
    .filter(([, { percent }]) => percent < LINES_MIN_PERCENT)
    .map(([name, lines]) => `Too little is tested: ${name} ${show(lines)}.`);
}

function linesOf(parts: readonly { readonly total: number; readonly covered: number }[]): Lines {
  const total = parts.reduce((sum, part) => sum + part.total, 0);
  const covered = parts.reduce((sum, part) => sum + part.covered, 0);
  return { total, covered, percent: total === 0 ? 100 : (100 * covered) / total };
}

const missingOf = ({ total, covered }: Lines) => total - covered;

function byMissing(a: FileLines, b: FileLines): number {
  return missingOf(b) - missingOf(a) || a.file.localeCompare(b.file);
}

/** Rounded down: 89.99 % is not 90 %. */
function show({ total, covered, percent }: Lines): string {
  return `${(Math.floor(percent * 100) / 100).toFixed(2)} % of lines (${covered} of ${total})`;
}
