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
  const longFile = (count: number) => lines(count);
  const longFunction = (count: number) => `function f() {\n${lines(count - 2)}\n}`;

  it.each([
    ['file-lines', longFile(401), longFile(601)],
    ['function-lines', longFunction(61), longFunction(91)],
    ['function-lines', `const f = () => {\n${lines(59)}\n};`, `f(() => {\n${lines(89)}\n});`],
    ['function-lines', `class A { m() {\n${lines(59)}\n} }`, `class A { m() {\n${lines(89)}\n} }`],
  ])('%s are first warned about, then refused', (rule, long, tooLong) => {
    for (const file of ['tools/a.ts', 'tools/a.test.ts', 'packages/console/src/a.tsx']) {
      const exception = { rule, file, reason: 'a table' };
      expect(check({ [file]: long })).toEqual([expect.stringMatching(`warning: .*\\[${rule}\\]$`)]);
      expect(check({ [file]: long }, [exception])).toEqual([]);
      const refused = [expect.stringMatching(`^${file}(?!.*warning).*\\[${rule}\\]$`)];
      expect(check({ [file]: tooLong })).toEqual(refused);
      expect(check({ [file]: tooLong }, [exception])).toEqual(refused);
    }
  });

  it('refuse more than 100 columns', () => {
    const found = check({ 'tools/a.ts': `// ${'x'.repeat(98)}` });
    expect(found).toEqual(['tools/a.ts:1: 101 columns, at most 100 [columns]']);
  });

  it('at the limit are fine', () => {
    const text = `${longFunction(60)}\n// ${'x'.repeat(97)}\n${lines(339)}\n`;
    expect(check({ 'tools/a.ts': text })).toEqual([]);
  });

  it('of tests count case by case', () => {
    const suite = ['describe("x", ', 'forEachAdapter(']
      .map(call => `${call}() => {\n${lines(100)}\n});`)
      .join('\n');
    expect(check({ 'tools/a.test.ts': suite })).toEqual([]);
    expect(check({ 'tools/a.ts': suite })).toHaveLength(2);
  });
});

describe('exceptions', () => {
  const file = `${SERVER}runs/service.ts`;
  const text = 'db.selectFrom("runs");';
  const exception = { rule: 'sql-place', file, reason: 'a table of its own' };

  it('allow a rule to be broken in one file', () => {
    expect(check({ [file]: text })).toHaveLength(1);
    expect(check({ [file]: text }, [exception])).toEqual([]);
  });

  it('are faults themselves once nothing needs them', () => {
    expect(check({ [file]: '' }, [exception])[0]).toContain('[stale-exception]');
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
    [`${SERVER}compose.ts`, './config/index.ts'],
    [`${SERVER}wiring/runs.ts`, '../runs/index.ts'],
    [`${SERVER}wiring/runs.ts`, '../compose.ts'],
    [`${SERVER}application.ts`, './wiring/runs.ts'],
    [`${SERVER}main.ts`, './application.ts'],
    [`${SERVER}work/stream/feed.ts`, '../../auth/index.ts'],
    [`${SERVER}work/a.ts`, '../http/index.ts'],
    [`${SERVER}runs/tasks/a.ts`, '../../work/index.ts'],
    [`${SERVER}runs/a.ts`, '../work/stream/index.ts'],
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
    [`${SERVER}work/a.ts`, '../runs/index.ts'],
    [`${SERVER}work/stream/a.ts`, '../../models/index.ts'],
    [`${SERVER}runs/a.ts`, '../work/idempotency.ts'],
    [`${SERVER}runs/a.ts`, '../work/stream/feed.ts'],
    [`${SERVER}auth/a.ts`, '../work/index.ts'],
    [`${SERVER}runs/a.ts`, '../wiring/runs.ts'],
    [`${SERVER}compose.ts`, './runs/index.ts'],
    [`${SERVER}wiring/runs.ts`, '../application.ts'],
    [`${SERVER}application.ts`, './main.ts'],
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

  it('hold for types, re-exports and dynamic imports too', () => {
    const target = '../realtime/index.ts';
    const type = `import type { Thing } from '${target}';`;
    const reexport = `export { thing } from '${target}';`;
    const dynamic = `export const load = () => import('${target}');`;
    for (const text of [type, reexport, dynamic, `export * from '${target}';`]) {
      expect(check({ [`${SERVER}auth/a.ts`]: text })[0]).toContain('[direction]');
    }
  });
});

describe('SQL', () => {
  const queries = [
    'db.selectFrom("runs").selectAll();',
    '(await open()).insertInto("runs");',
    'trx.with("a", db => db.deleteFrom("runs"));',
    'const now = sql<Date>`now()`;',
    'sql.join([]);',
  ];
  it.each(['runs/service.ts', 'work/stream/feed.ts', 'realtime/socket.ts', 'http/a.ts', 'main.ts'])(
    'is refused in %s',
    path => {
      for (const text of queries) {
        expect(check({ [SERVER + path]: text })).toEqual([expect.stringContaining('[sql-place]')]);
      }
    },
  );

  it.each([
    'runs/store.ts',
    'runs/claim-store.ts',
    'work/queries.ts',
    'runs/tasks/store.ts',
    'runs/run.test.ts',
    'runs/testing/rows.ts',
    'platform/log/read.ts',
    'auth/audit.ts',
  ])('has its place in %s', path => {
    for (const text of queries) expect(check({ [SERVER + path]: text })).toEqual([]);
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
    ['merge-mark', `${'<'.repeat(7)} HEAD`],
    ['merge-mark', `${'>'.repeat(7)} 1234567 (A commit)`],
    ['untyped', `// @ts-${'ignore'}`],
    ['own-path', `const dir = '/home/${'reader'}/x';`],
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

describe('styles', () => {
  const folder = 'packages/console/src/';
  const use = (name: string) =>
    `import styles from './a.module.css';\nexport const a = styles.${name};\n`;

  it('are modules but for the global sheet, which has no classes', () => {
    const sheets = {
      [`${folder}app/global.css`]: '@import "x/Button.css";\nbody { margin: 0.5rem; }\n.loud {}',
      [`${folder}a.css`]: 'a {}',
    };
    expect(check(sheets)).toEqual([
      expect.stringContaining('.loud belongs into a CSS module'),
      expect.stringContaining('a.css: is no CSS module'),
    ]);
  });

  it('have every class that is used, and use every class', () => {
    const css = '.one { width: 1.5px; }\n@media print {\n  .one > .two:global(.theirs) {}\n}';
    const module = { [`${folder}a.module.css`]: css };
    const both = use('one').concat('export const b = styles.two;\n');
    expect(check({ ...module, [`${folder}a.tsx`]: both })).toEqual([]);
    expect(check({ ...module, [`${folder}a.tsx`]: use('onne') })).toEqual([
      expect.stringContaining('a.module.css has no .onne'),
      expect.stringContaining('.one is never used'),
      expect.stringContaining('.two is never used'),
    ]);
  });

  it('may be chosen by name', () => {
    const files = {
      [`${folder}a.module.css`]: '.one {}',
      [`${folder}a.tsx`]: `${use('one')}export const pick = (x: string) => styles[x];`,
    };
    expect(check(files)).toEqual([]);
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

describe('promises', () => {
  const PROSE = [
    '# Security',
    '## Kept',
    '- **Keys.** They never leave. They end.',
    '| what |',
    '|---|',
    '| words |',
    '## Advice',
    'Use them.',
  ];
  const ROWS = [
    '| They never leave<br>They end | `tools/a.test.ts`: keys > never leave |',
    '| words | `tools/a.test.ts`: keys > %s |',
    '| ## Advice | — |',
  ];
  const tests = "describe('keys', () => { it('never leave'); it.each([1])('%s'); });";

  /** The faults of a page and its table. */
  function faults(prose: readonly string[], rows: readonly string[]): string[] {
    const table = ['', '## What shows it', '| words | test |', '|---|---|', ...rows];
    const page = [...prose, ...table, ''].join('\n');
    return check({ 'SECURITY.md': page, 'docs/b.md': 'Free.', 'tools/a.test.ts': tests });
  }

  it('that have a row with a test, or without any on purpose, are fine', () => {
    expect(faults(PROSE, ROWS)).toEqual([]);
  });

  it.each([
    ['a new sentence', [...PROSE, 'Of new.', '## New', 'A new one.'], ROWS, 'about "A new one."'],
    ['a sentence without a row', PROSE, ROWS.slice(1), 'about " They never leave."'],
    ['a row of a table without one', PROSE, ROWS.toSpliced(1, 1), 'about "| words |"'],
    ['a quote of what was changed', PROSE, [...ROWS, '| It was | — |'], '"It was" stands 0 times'],
    ['a quote of several places', PROSE, [...ROWS, '| They | — |'], '"They" stands 2 times'],
    [
      'a test that is gone',
      PROSE,
      ROWS.with(1, '| words | `tools/a.test.ts`: keys > end |'),
      'no test `tools/a.test.ts`: keys > end',
    ],
    [
      'a test of another group',
      PROSE,
      ROWS.with(1, '| words | `tools/a.test.ts`: never leave |'),
      'no test `tools/a.test.ts`: never leave',
    ],
    [
      'a file that is gone',
      PROSE,
      ROWS.with(1, '| words | `tools/b.test.ts`: keys > %s |'),
      'no test `tools/b.test.ts`: keys > %s',
    ],
    ['a row without a test', PROSE, ROWS.with(1, '| words | later |'), 'no test later'],
  ])('%s is a fault', (_what, prose, rows, message) => {
    const found = faults(prose, rows);
    expect(found.length).toBeGreaterThan(0);
    for (const fault of found) expect(fault).toContain('[promise]');
    expect(found.join('\n')).toContain(message);
  });

  it('without a table are faults', () => {
    expect(check({ 'SECURITY.md': PROSE.join('\n') })).toHaveLength(4);
  });
});
