import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CODES, EVENTS } from '../../packages/protocol/src/index.ts';
import { parseCatalogue } from '../../packages/server/src/models/catalogue.ts';
import { METRICS } from '../../packages/server/src/platform/telemetry/index.ts';
import { sessionDefaultsFile } from '../../packages/server/src/realtime/defaults.ts';
import { parseAgentProfiles } from '../../packages/server/src/runs/agents/profiles.ts';
import { type ApiRoute, describeApi } from './api.ts';
import { LISTINGS, renderClientEvents } from './client-events.ts';
import { readCells } from './clients/cells.ts';
import { renderClients } from './clients/page.ts';
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

describe('the events of stock clients', () => {
  const events = JSON.parse(renderClientEvents(LISTINGS['client-events.json'])) as Record<
    string,
    string[]
  >;

  it('are those that the typings name, with the values that decide how fields are read', () => {
    expect(Object.keys(events)).toEqual([
      'conversation.item.create',
      'conversation.item.delete',
      'conversation.item.retrieve',
      'conversation.item.truncate',
      'input_audio_buffer.append',
      'input_audio_buffer.clear',
      'input_audio_buffer.commit',
      'output_audio_buffer.clear',
      'response.cancel',
      'response.create',
      'session.update',
    ]);
    expect(events['input_audio_buffer.append']).toEqual(['audio', 'event_id']);
    expect(events['session.update']).toEqual(
      expect.arrayContaining([
        'session.type=realtime',
        'session.tools[].type=function|mcp',
        'session.tools[].parameters=*',
        'session.audio.output.voice',
        'session.audio.output.voice.id',
      ]),
    );
    expect(events['conversation.item.create']).toContain('item.role=assistant|system|user');
    expect(events['response.create']!.join()).toContain('|item_reference|');
  });
});

describe('schemas of operator files', () => {
  const $schema = './docs/reference/schemas/any.json';
  const endpoints = { main: { provider: 'openai', api_key_secret: 'openai-key' } };
  const models = [{ id: 'gpt-realtime', endpoint: 'main' }];
  const gemini = { name: 'gemini-acp', title: 'Gemini', command: 'gemini', args: ['--acp'] };
  const files = [
    ['models.json', parseCatalogue, { $schema, default: 'gpt-realtime', endpoints, models }],
    ['session-defaults.json', sessionDefaultsFile.parse, { $schema, voice: 'alloy' }],
    ['agents.json', parseAgentProfiles, { $schema, agents: [gemini] }],
  ] as const;

  it.each(files)('%s: editor and server agree on what is right', async (name, parse, right) => {
    const text = (await generatePages()).get(`docs/reference/schemas/${name}`)!;
    const isValid = new Ajv2020({ formats: { date: true } }).compile(JSON.parse(text));
    expect(isValid(right)).toBe(true);
    expect(() => parse(right)).not.toThrow();
    const wrong = { ...right, unknown: true };
    expect(isValid(wrong)).toBe(false);
    expect(() => parse(wrong)).toThrow();
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

  it('show optional fields and bounds', () => {
    const schema = { properties: { a: { type: 'string' }, b: {} }, required: ['a'] };
    expect(propertyRows(schema).map(([name]) => name)).toEqual(['`a`', '`b?`']);
    expect(boundsText({ minimum: 1, maximum: 5, default: 2 })).toBe('1 to 5. Default: `2`.');
  });
});

describe('npm run docs', () => {
  it('refuses unknown arguments', async () => {
    const script = fileURLToPath(new URL('../docs.ts', import.meta.url));
    const run = promisify(execFile)(process.execPath, [script, '--chek']);
    await expect(run).rejects.toMatchObject({ code: 2 });
  });
});

describe('the table of stock clients', () => {
  it('has no place for what nobody has seen', () => {
    const { hears = {}, ...others } = readCells();
    const { 'response.done': _gone, ...rest } = hears;
    expect(() => renderClients({ ...others, hears: rest })).toThrow(
      /without a cell: response\.done \(GA\), response\.done response\./,
    );
    expect(renderClients()).toContain('| `response.done` |');
  });
});
