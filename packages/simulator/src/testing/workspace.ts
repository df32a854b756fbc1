/** A folder with the sample project, and the tools of the built-in agent on it, for tests. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SUM = 'export function sum(a, b) {\n  return a - b;\n}\n';
const SUM_TEST = `import assert from 'node:assert/strict';
import test from 'node:test';
import { sum } from './sum.js';

test('adds', () => assert.equal(sum(2, 3), 5));
`;

const text = (name: string) => ({ [name]: { type: 'string' } });

function tool(name: string, properties: Record<string, unknown>) {
  const required = Object.keys(properties);
  return { name, parameters: { type: 'object', properties, required } };
}

export const TOOLS = [
  tool('list_files', text('path')),
  tool('read_file', text('path')),
  tool('write_file', { ...text('path'), ...text('content') }),
  tool('edit_file', { ...text('path'), ...text('old_text'), ...text('new_text') }),
  tool('run_command', text('command')),
];

export class Workspace {
  readonly dir = mkdtempSync(join(tmpdir(), 'simulator-workspace-'));
  readonly called: string[] = [];

  /** With the sample project, or empty. */
  constructor(sample = true) {
    if (!sample) return;
    writeFileSync(join(this.dir, 'package.json'), '{"type":"module"}\n');
    writeFileSync(join(this.dir, 'sum.js'), SUM);
    writeFileSync(join(this.dir, 'sum.test.js'), SUM_TEST);
  }

  read(path: string): string {
    return readFileSync(join(this.dir, path), 'utf8');
  }

  run(name: string, input: Record<string, string>): string {
    this.called.push(name);
    const { path = '.', content = '', old_text = '', new_text = '', command = '' } = input;
    if (name === 'list_files') return readdirSync(join(this.dir, path)).join('\n');
    if (name === 'read_file') return this.read(path);
    if (name === 'write_file') writeFileSync(join(this.dir, path), content);
    if (name === 'edit_file') {
      writeFileSync(join(this.dir, path), this.read(path).replace(old_text, new_text));
    }
    if (name !== 'run_command') return 'ok';
    const { NODE_TEST_CONTEXT: _, ...rest } = process.env;
    const path_ = `${join(process.execPath, '..')}:${process.env.PATH ?? ''}`;
    const env = { ...rest, PATH: path_ };
    return execFileSync('sh', ['-c', command], { cwd: this.dir, env, encoding: 'utf8' });
  }

  remove(): void {
    rmSync(this.dir, { recursive: true });
  }
}
