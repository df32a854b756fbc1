/** What the sample repository holds, by path. */
export const SAMPLE_FILES: Readonly<Record<string, string>> = {
  'README.md': `# Sample

A small project to try an agent on. One of its tests fails:

    node --test

Ask for "Fix the failing test." and compare what comes back.
`,
  'package.json': `{
  "name": "sample",
  "private": true,
  "type": "module",
  "scripts": { "test": "node --test" }
}
`,
  'sum.js': `/** The sum of all numbers of a list. */
export function sum(numbers) {
  return numbers.reduce((total, number) => add(total, number), 0);
}

export function add(a, b) {
  return a - b;
}
`,
  'sum.test.js': `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { add, sum } from './sum.js';

test('adds two numbers', () => {
  assert.equal(add(2, 3), 5);
});

test('adds up a list', () => {
  assert.equal(sum([1, 2, 3]), 6);
  assert.equal(sum([]), 0);
});
`,
  '.gitignore': 'node_modules\n',
};

export const SAMPLE_TEST_COMMAND = 'node --test';
