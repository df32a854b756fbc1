import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CODES, EVENTS } from '../../packages/protocol/src/index.ts';
import { METRICS } from '../../packages/server/src/platform/telemetry/index.ts';
import { type ApiRoute, describeApi } from './api.ts';
import { generatePages } from './pages.ts';
import { boundsText, propertyRows, typeText } from './schema-text.ts';

describe('generated pages', () => {
  let pages: Map<string, string>;
  let routes: ApiRoute[];
  beforeAll(async () => {
    pages = await generatePages();
    routes = await describeApi();
  });

  it('name every error, event and metric', () => {
    const named = (file: string, names: readonly string[]) =>
      names.filter(name => !pages.get(file)!.includes(`\`${name}\``));
    expect(named('docs/reference/errors.md', Object.keys(ERROR_CODES))).toEqual([]);
    expect(named('docs/reference/events.md', Object.keys(EVENTS))).toEqual([]);
    expect(named('docs/reference/metrics.md', Object.keys(METRICS))).toEqual([]);
  });

  it('name every described route', () => {
    const text = pages.get('docs/reference/http-api.md')!;
    expect(routes.length).toBeGreaterThan(30);
    for (const { method, path, operation } of routes) {
      if (operation) expect(text).toContain(`${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
    }
  });

  it('leave out only pages and the document itself', () => {
    const silent = routes.filter(({ operation, method }) => !operation && method !== 'WS');
    const paths = silent.map(({ path }) => path).filter(path => path.startsWith('/v1'));
    expect(paths).toEqual([]);
  });

  it('mark private fields', () => {
    expect(pages.get('docs/reference/events.md')).toMatch(
      /## `transcript\.user`[^#]*\| `text` \| `string` \| {2}\| private \|/,
    );
  });

  it('are the same each time', async () => {
    expect(await generatePages()).toEqual(pages);
  });
});

describe('schema texts', () => {
  it.each([
    [{ type: 'string' }, 'string'],
    [{ type: 'string', format: 'date-time' }, 'timestamp'],
    [{ enum: ['a', 'b'] }, '"a" | "b"'],
    [{ anyOf: [{ type: 'number' }, { type: 'null' }] }, 'number | null'],
    [{ type: 'array', items: { enum: ['a', 'b'] } }, '("a" | "b")[]'],
    [{ type: 'object', properties: { a: {}, b: {} } }, '{a, b}'],
    [{ type: ['string', 'null'] }, 'string | null'],
    [{}, 'any'],
  ])('%j is %s', (schema, text) => {
    expect(typeText(schema)).toBe(text);
  });

  it('say what may be left out, and bounds', () => {
    const schema = { properties: { a: { type: 'string' }, b: {} }, required: ['a'] };
    expect(propertyRows(schema).map(([name]) => name)).toEqual(['`a`', '`b?`']);
    expect(boundsText({ minimum: 1, maximum: 5, default: 2 })).toBe('1 to 5. Default: `2`.');
  });
});

describe('npm run docs', () => {
  it('refuses what it does not know', async () => {
    const script = fileURLToPath(new URL('../docs.ts', import.meta.url));
    const run = promisify(execFile)(process.execPath, [script, '--chek']);
    await expect(run).rejects.toMatchObject({ code: 2 });
  });
});
