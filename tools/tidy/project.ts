import { type Dirent, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type ParseResult, parseSync } from 'vite';

export interface SourceFile {
  /** Relative to the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  /** Parsed on first use. */
  readonly syntax: ParseResult;
  readonly isTest: boolean;
  /** The line of an offset, from 1. */
  lineAt(offset: number): number;
}

/** The repository as the rules see it. */
export interface Project {
  readonly root: string;
  /** Every file that is, or could be, committed; text is empty for binary ones. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
  /** TypeScript of packages, tools, tests and benchmarks. */
  readonly sources: readonly SourceFile[];
}

const IGNORED = new Set(['node_modules', '.git', 'dist', 'data', 'coverage', '.cache']);
const TEXT = /\.(ts|tsx|js|mjs|json|md|css|html|sql|yml|yaml|sh|svg|toml|txt|example)$|(^|\/)run$/;
const SOURCE = /^(packages|tools|tests|bench)\/.*\.tsx?$/;
/** Tests and what only tests use. */
const TEST = /\.test\.tsx?$|(^|\/)(testing|testbed|fixtures)(\/|-|\.ts$)|^tests\//;

export function loadProject(root: string): Project {
  const files = [...walk(root, root)].map(path => ({ path, text: readText(root, path) }));
  return makeProject(root, files);
}

/** Also used by the tests of the rules, on texts of their own. */
export function makeProject(
  root: string,
  files: readonly { readonly path: string; readonly text: string }[],
): Project {
  const sources = files.filter(file => SOURCE.test(file.path)).map(toSource);
  return { root, files, sources };
}

function* walk(root: string, folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (isIgnored(entry)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(root, path);
    else if (entry.isFile()) yield relative(root, path).replaceAll('\\', '/');
  }
}

function isIgnored(entry: Dirent): boolean {
  if (entry.name === '.env' || /\.(log|tgz)$/.test(entry.name)) return true;
  return IGNORED.has(entry.name);
}

function readText(root: string, path: string): string {
  return TEXT.test(path) ? readFileSync(join(root, path), 'utf8') : '';
}

function toSource({ path, text }: { path: string; text: string }): SourceFile {
  let syntax: ParseResult | undefined;
  return {
    path,
    text,
    isTest: TEST.test(path),
    get syntax() {
      syntax ??= parseSync(path, text);
      return syntax;
    },
    lineAt: offset => text.slice(0, offset).split('\n').length,
  };
}
