import { describe, expect, it } from 'vitest';
import type { Exception } from './fault.ts';
import { makeProject } from './project.ts';
import { checkAll, showFault } from './rules.ts';

/** The faults of a repository with these files, as lines. */
function check(files: Record<string, string>, exceptions: readonly Exception[] = []): string[] {
  const listed = Object.entries(files).map(([path, text]) => ({ path, text }));
  return checkAll(makeProject('/somewhere/holdfast', listed), exceptions).map(showFault);
}

const SERVER = 'packages/server/src/';
const lines = (count: number) => Array(count).fill('x();').join('\n');
const imports = (target: string, name = 'thing') => `import { ${name} } from '${target}';\n`;

describe('sizes', () => {
  it.each([
    ['file-lines', lines(301)],
    ['function-lines', `function f() {\n${lines(39)}\n}`],
    ['function-lines', `const f = () => {\n${lines(39)}\n};`],
    ['function-lines', `class A { m() {\n${lines(39)}\n} }`],
    ['parameters', 'function f(a, b, c, d, e) {}'],
    ['columns', `// ${'x'.repeat(98)}`],
  ])('%s over budget', (rule, text) => {
    const [fault, ...others] = check({ 'tools/a.ts': text });
    expect(fault).toContain(`[${rule}]`);
    expect(others).toEqual([]);
  });

  it('at the limit are fine', () => {
    const text = `function f(a, b, c, d) {\n${lines(38)}\n}\n// ${'x'.repeat(97)}\n${lines(259)}\n`;
    expect(check({ 'tools/a.ts': text })).toEqual([]);
  });

  it('of tests count case by case', () => {
    const suite = ['describe("x", ', 'forEachAdapter(']
      .map(call => `${call}() => {\n${lines(90)}\n});`)
      .join('\n');
    expect(check({ 'tools/a.test.ts': suite })).toEqual([]);
    expect(check({ 'tools/a.ts': suite })).toHaveLength(2);
    const long = `it('x', () => {\n${lines(70)}\n});`;
    expect(check({ 'tools/a.test.ts': long })).toHaveLength(1);
  });
});

describe('exceptions', () => {
  const exception = { rule: 'function-lines', file: 'tools/a.ts', reason: 'a table' };

  it('allow what is over the soft limit', () => {
    const text = `function f() {\n${lines(60)}\n}`;
    expect(check({ 'tools/a.ts': text }, [exception])).toEqual([]);
  });

  it('do not allow what is over the hard limit', () => {
    const text = `function f() {\n${lines(70)}\n}`;
    expect(check({ 'tools/a.ts': text }, [exception])).toHaveLength(1);
  });

  it('are faults themselves once nothing needs them', () => {
    expect(check({ 'tools/a.ts': '' }, [exception])[0]).toContain('[stale-exception]');
    expect(check({}, [exception])[0]).toContain('[stale-exception]');
  });
});

describe('directions', () => {
  const allowed: [string, string, string?][] = [
    [`${SERVER}realtime/a.ts`, '../recordings/index.ts'],
    [`${SERVER}realtime/a.ts`, '../platform/log/index.ts'],
    [`${SERVER}realtime/relay/a.ts`, '../b.ts'],
    [`${SERVER}platform/log/a.ts`, '../database/index.ts'],
    [`${SERVER}http/a.ts`, '../platform/limits/index.ts'],
    [`${SERVER}compose.ts`, './platform/blobs/index.ts', 'openAzureBlobs'],
    [`${SERVER}main.ts`, './compose.ts'],
    [`${SERVER}auth/a.ts`, '@holdfast/protocol'],
    [`${SERVER}auth/a.test.ts`, '../platform/database/testing.ts'],
    [`${SERVER}auth/a.test.ts`, '../platform/blobs/index.ts', 'openFilesystemBlobs'],
    ['packages/console/src/a.ts', '@holdfast/client'],
    ['tools/a.ts', '../packages/server/src/config/index.ts'],
  ];
  it.each(allowed)('%s may import %s', (from, to, name) => {
    expect(check({ [from]: imports(to, name) })).toEqual([]);
  });

  const refused: [string, string, string?][] = [
    [`${SERVER}recordings/a.ts`, '../realtime/index.ts'],
    [`${SERVER}models/a.ts`, '../recordings/index.ts'],
    [`${SERVER}http/a.ts`, '../auth/index.ts'],
    [`${SERVER}platform/log/a.ts`, '../../http/index.ts'],
    [`${SERVER}platform/log/a.ts`, '../database/kysely.ts'],
    [`${SERVER}kernel/a.ts`, '../platform/log/index.ts'],
    [`${SERVER}auth/a.ts`, '../config/index.ts'],
    [`${SERVER}realtime/a.ts`, '../auth/principal.ts'],
    [`${SERVER}realtime/a.test.ts`, '../auth/principal.ts'],
    [`${SERVER}realtime/a.ts`, '../compose.ts'],
    [`${SERVER}application.ts`, './platform/blobs/index.ts', 'openAzureBlobs'],
    [`${SERVER}auth/a.ts`, '@holdfast/simulator'],
    [`${SERVER}auth/a.ts`, '../../../simulator/src/index.ts'],
    [`${SERVER}auth/a.ts`, '../../../../tools/start.ts'],
    ['packages/protocol/src/a.ts', '@holdfast/client'],
    ['packages/console/src/a.ts', '@holdfast/server'],
    ['packages/client/src/a.ts', '@holdfast/console'],
  ];
  it.each(refused)('%s must not import %s', (from, to, name) => {
    expect(check({ [from]: imports(to, name) })[0]).toContain('[direction]');
  });

  it('hold for re-exports and dynamic imports too', () => {
    const target = '../realtime/index.ts';
    const reexport = `export { thing } from '${target}';`;
    const dynamic = `export const load = () => import('${target}');`;
    for (const text of [reexport, dynamic, `export * from '${target}';`]) {
      expect(check({ [`${SERVER}auth/a.ts`]: text })[0]).toContain('[direction]');
    }
  });
});

describe('cycles', () => {
  it('of values are found', () => {
    const files = {
      'tools/a.ts': imports('./b.ts'),
      'tools/b.ts': imports('./c.ts'),
      'tools/c.ts': imports('./a.ts'),
    };
    expect(check(files)[0]).toContain('tools/a.ts → tools/b.ts → tools/c.ts → tools/a.ts');
    expect(check(files)).toHaveLength(1);
  });

  it('of types are nothing', () => {
    const files = {
      'tools/a.ts': `import type { B } from './b.ts';`,
      'tools/b.ts': imports('./a.ts'),
    };
    expect(check(files)).toEqual([]);
  });
});

describe('tests left out', () => {
  it.each(['it.skip', 'describe.only', 'it.each([]).skip', 'test.todo', 'it.skipIf(x)', 'xit'])(
    '%s',
    call => {
      expect(check({ 'tools/a.test.ts': `${call}('x', () => {});` })[0]).toContain(
        '[left-out-test]',
      );
    },
  );

  it('are not confused with other calls', () => {
    const text = `it('skips', () => list.skip(1)); it.each([1])('x', () => {});`;
    expect(check({ 'tools/a.test.ts': text })).toEqual([]);
  });
});

describe('texts', () => {
  it.each([
    ['open-end', `// ${'TO'}DO: later`],
    ['untyped', `// @ts-${'ignore'}`],
    ['own-path', `const dir = '/home/${'somebody'}/x';`],
    ['own-path', `const dir = '/somewhere/${'holdfast'}/data';`],
  ])('%s', (rule, text) => {
    expect(check({ 'README.md': text })[0]).toContain(`[${rule}]`);
  });

  it('of the lock file name no server', () => {
    const entry = `"resolved": "https://${'packages.example'}/a.tgz"`;
    expect(check({ 'package-lock.json': entry })[0]).toContain('[own-registry]');
    expect(check({ 'package-lock.json': '"resolved": "packages/a"' })).toEqual([]);
  });
});

describe('translations', () => {
  const at = (language: string) => `packages/console/src/home/${language}.json`;

  it('have the same keys', () => {
    const faults = check({ [at('en')]: '{"a":{"b":"x"}}', [at('ja')]: '{"a":{"c":"x"}}' });
    expect(faults).toEqual([
      `${at('ja')}: lacks a.b [translation]`,
      `${at('en')}: lacks a.c [translation]`,
    ]);
    expect(check({ [at('en')]: '{"a":"x"}' })).toHaveLength(1);
  });

  it('have the same placeholders', () => {
    const faults = check({ [at('en')]: '{"a":"{{n}} of {{m}}"}', [at('ja')]: '{"a":"{{n}}"}' });
    expect(faults).toHaveLength(1);
  });

  it('may have other plural forms', () => {
    const en = '{"n_one":"{{count}} session","n_other":"{{count}} sessions"}';
    expect(check({ [at('en')]: en, [at('ja')]: '{"n_other":"{{count}} 件"}' })).toEqual([]);
  });
});

describe('links', () => {
  it('lead to something', () => {
    const files = {
      'docs/a.md':
        '[b](b.md#part) [c](../packages) ![p](images/p.png) [w](https://example.com) [d](#d)',
      'docs/b.md': '```\n[not](a-link.md)\n```',
      'docs/images/p.png': '',
      'packages/x.ts': '',
    };
    expect(check(files)).toEqual([]);
  });

  it.each(['![picture](images/none.png)', '[page](none.md)', '<img src="none.png">'])(
    '%s leads nowhere',
    text => {
      expect(check({ 'docs/a.md': text })[0]).toContain('does not exist [link]');
    },
  );
});
