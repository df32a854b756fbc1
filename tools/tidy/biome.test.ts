import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

/** The house rules that are Biome's: each finds a planted breach with the repository's setup. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIOME = join(ROOT, 'node_modules/@biomejs/biome/bin/biome');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-biome-'));
  cpSync(join(ROOT, 'biome.json'), join(folder, 'biome.json'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The rules that files with these texts break, each with its file. */
async function lint(files: Readonly<Record<string, string>>): Promise<string[]> {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const args = [BIOME, 'lint', '--vcs-enabled=false', '--reporter=json', '.'];
  const output = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, args, { cwd: folder }, (error, stdout, stderr) => {
      // Findings end Biome with code 1, and its report is written all the same.
      if (error && error.code !== 1) reject(new Error(stderr, { cause: error }));
      else resolve(stdout);
    });
  });
  const { diagnostics } = JSON.parse(output) as {
    diagnostics: { category: string; severity: string; location: { path: string } }[];
  };
  return diagnostics
    .filter(({ severity }) => severity === 'error')
    .map(({ category, location }) => `${location.path} ${category.split('/').at(-1)}`)
    .sort();
}

it('a circle of types is an error', async () => {
  const files = {
    'packages/protocol/src/a.ts': "import type { B } from './b.ts';\nexport type A = B | string;\n",
    'packages/protocol/src/b.ts': "import type { A } from './a.ts';\nexport type B = A[];\n",
    'packages/protocol/src/c.ts': "import type { A } from './a.ts';\nexport type C = A[];\n",
  };
  expect(await lint(files)).toEqual([
    'packages/protocol/src/a.ts noImportCycles',
    'packages/protocol/src/b.ts noImportCycles',
  ]);
});

it('a fifth parameter is an error', async () => {
  const withParameters = (names: string) =>
    `export function f(${names}: string[]) { return [a]; }\n`;
  const files = {
    'tools/four.ts': withParameters('a: string, b: string, c: string, ...d'),
    'tools/five.ts': withParameters('a: string, b: string, c: string, d: string, ...e'),
  };
  expect(await lint(files)).toEqual(['tools/five.ts useMaxParams']);
});

it('a function that branches too much is an error', async () => {
  const nested = (depth: number) =>
    `export function f(a: number) {\n${Array.from(
      { length: depth },
      (_, n) => `if (a > ${n}) {`,
    ).join('\n')}\na();\n${'}'.repeat(depth)}\n}\n`;
  const files = { 'tools/flat.ts': nested(6), 'tools/deep.ts': nested(7) };
  expect(await lint(files)).toEqual(['tools/deep.ts noExcessiveCognitiveComplexity']);
});
