/** What a provider would do itself, and what a request could smuggle: refused before it is sent. */
import { HOSTED_TOOLS, type HostedTool } from '@holdfast/protocol';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';
import { useGateway } from '../testing/world.ts';

const world = useGateway();
beforeEach(() => sql`delete from hosted_tools`.execute(world.database.db));

const RESPONSES = '/model/openai/v1/responses';
const CHAT = '/model/openai/v1/chat/completions';
const MESSAGES = '/model/anthropic/v1/messages';
const COUNT = '/model/anthropic/v1/messages/count_tokens';
const GEMINI = '/model/gemini/v1beta/models/gemini:generateContent';
const COUNT_GEMINI = '/model/gemini/v1beta/models/gemini:countTokens';
const MODELS = {
  [RESPONSES]: 'coder',
  [CHAT]: 'coder',
  [MESSAGES]: 'claude',
  [COUNT]: 'claude',
  // Here the path names it.
  [GEMINI]: undefined,
  [COUNT_GEMINI]: undefined,
};
type Path = keyof typeof MODELS;

const URL_ELSEWHERE = 'https://elsewhere.example/?stolen=secret';
const DATA = 'data:image/png;base64,iVBORw0KGgo=';

async function send(path: Path, text: string, headers: Record<string, string> = {}) {
  const run = await world.host.newRun();
  return world.host.request(path, {
    method: 'POST',
    body: text,
    headers: { authorization: `Bearer ${run.token}`, ...headers },
  });
}

function textOf(path: Path, body: object): string {
  const model = MODELS[path];
  return JSON.stringify(model === undefined ? body : { model, ...body });
}

const ask = (path: Path, body: object) => send(path, textOf(path, body));

async function allow(...allowed: HostedTool[]) {
  const answer = await world.host.request('/v1/hosted-tools', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ allowed }),
    caller: 'Admin:user:root',
  });
  expect(answer.status).toBe(200);
}

const inputs = (...content: object[]) => ({ input: [{ role: 'user', content }] });
const messages = (...content: object[]) => ({ messages: [{ role: 'user', content }] });
const parts = (...given: object[]) => ({ contents: [{ role: 'user', parts: given }] });
const tools = (...given: object[]) => ({ tools: given });
const mcp = { type: 'mcp', server_label: 's', server_url: URL_ELSEWHERE };

const HOSTED: readonly [HostedTool, Path, object][] = [
  ['mcp', RESPONSES, tools(mcp)],
  ['mcp', RESPONSES, { input: [{ type: 'mcp_call', id: '1', name: 'n' }] }],
  ['web_search', RESPONSES, tools({ type: 'web_search' })],
  ['web_search', RESPONSES, tools({ type: 'web_search_preview_2025_03_11' })],
  ['web_search', RESPONSES, { tool_choice: { type: 'web_search_preview' } }],
  ['code_execution', RESPONSES, tools({ type: 'code_interpreter', container: 'c' })],
  ['file_search', RESPONSES, tools({ type: 'file_search', vector_store_ids: ['v'] })],
  ['image_generation', RESPONSES, tools({ type: 'image_generation' })],
  ['computer_use', RESPONSES, tools({ type: 'computer_use_preview' })],
  ['remote_files', RESPONSES, inputs({ type: 'input_image', image_url: URL_ELSEWHERE })],
  ['remote_files', RESPONSES, inputs({ type: 'input_file', file_url: URL_ELSEWHERE })],
  ['remote_files', RESPONSES, inputs({ type: 'input_file', file_data: URL_ELSEWHERE })],
  [
    'remote_files',
    RESPONSES,
    {
      input: [
        {
          type: 'function_call_output',
          call_id: 'c',
          output: [{ type: 'input_image', image_url: URL_ELSEWHERE }],
        },
      ],
    },
  ],
  ['stored_files', RESPONSES, inputs({ type: 'input_file', file_id: 'file-1' })],
  ['stored_files', RESPONSES, inputs({ type: 'input_image', file_id: 'file-1' })],
  ['web_search', CHAT, { web_search_options: {} }],
  ['remote_files', CHAT, messages({ type: 'image_url', image_url: { url: URL_ELSEWHERE } })],
  ['remote_files', CHAT, messages({ type: 'file', file: { file_data: URL_ELSEWHERE } })],
  ['stored_files', CHAT, messages({ type: 'file', file: { file_id: 'file-1' } })],
  ['mcp', MESSAGES, { mcp_servers: [{ type: 'url', name: 'n', url: URL_ELSEWHERE }] }],
  ['mcp', MESSAGES, tools({ type: 'mcp_toolset', mcp_server_name: 'n' })],
  ['web_search', MESSAGES, tools({ type: 'web_search_20250305', name: 'web_search' })],
  ['web_fetch', MESSAGES, tools({ type: 'web_fetch_20250910', name: 'web_fetch' })],
  ['code_execution', MESSAGES, tools({ type: 'code_execution_20250825', name: 'code_execution' })],
  ['code_execution', MESSAGES, { container: 'container_1' }],
  ['code_execution', MESSAGES, messages({ type: 'container_upload', file_id: 'f' })],
  ['web_fetch', MESSAGES, messages({ type: 'server_tool_use', id: 's', name: 'web_fetch' })],
  ['computer_use', MESSAGES, tools({ type: 'computer_20250124', name: 'computer' })],
  ...(['image', 'document'] as const).flatMap((type): [HostedTool, Path, object][] => [
    ['remote_files', MESSAGES, messages({ type, source: { type: 'url', url: URL_ELSEWHERE } })],
    ['stored_files', MESSAGES, messages({ type, source: { type: 'file', file_id: 'f' } })],
    ['remote_files', COUNT, messages({ type, source: { type: 'url', url: URL_ELSEWHERE } })],
    [
      'remote_files',
      MESSAGES,
      messages({
        type: 'tool_result',
        tool_use_id: 't',
        content: [{ type, source: { type: 'url', url: URL_ELSEWHERE } }],
      }),
    ],
  ]),
  [
    'remote_files',
    MESSAGES,
    messages({
      type: 'document',
      source: {
        type: 'content',
        content: [{ type: 'image', source: { type: 'url', url: URL_ELSEWHERE } }],
      },
    }),
  ],
  ['web_search', GEMINI, tools({ googleSearch: {} })],
  ['web_search', GEMINI, tools({ googleSearchRetrieval: {} })],
  ['web_search', GEMINI, tools({ enterpriseWebSearch: {} })],
  ['web_fetch', GEMINI, tools({ urlContext: {} })],
  ['code_execution', GEMINI, tools({ codeExecution: {} })],
  ['file_search', GEMINI, tools({ fileSearch: { fileSearchStoreNames: ['s'] } })],
  ['computer_use', GEMINI, tools({ computerUse: {} })],
  ['maps', GEMINI, tools({ googleMaps: {} })],
  ['mcp', GEMINI, tools({ mcpServers: [{ name: 'n' }] })],
  ['remote_files', GEMINI, parts({ fileData: { fileUri: URL_ELSEWHERE } })],
  ['remote_files', COUNT_GEMINI, parts({ fileData: { fileUri: URL_ELSEWHERE } })],
  [
    'remote_files',
    GEMINI,
    parts({ functionResponse: { name: 'f', parts: [{ fileData: { fileUri: URL_ELSEWHERE } }] } }),
  ],
  [
    'remote_files',
    GEMINI,
    { systemInstruction: { parts: [{ fileData: { fileUri: URL_ELSEWHERE } }] } },
  ],
];

describe('what a provider does itself', () => {
  it.each(HOSTED)(
    '%s of %s is refused, and sent where it is allowed: %j',
    async (tool, path, body) => {
      const others = Object.keys(HOSTED_TOOLS).filter(name => name !== tool) as HostedTool[];
      await allow(...others);
      const answer = await ask(path, body);
      expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(tool)]);
      expect(world.upstream.seen).toEqual([]);
      await allow(tool);
      expect((await ask(path, body)).status).toBe(200);
      expect(JSON.parse(world.upstream.seen[0]!.body)).toMatchObject(body);
    },
  );

  it('is logged where it is refused, with the field that asked for it', async () => {
    const answer = await ask(RESPONSES, tools({ type: 'web_search' }));
    const id = answer.headers.get('x-request-id')!;
    const line = world.host.telemetry
      .text()
      .split('\n')
      .find(one => one.includes(id));
    expect(JSON.parse(line!)).toMatchObject({ event: 'model.refused', field: 'tools[0].type' });
  });

  it('is refused where the budget could not count it', async () => {
    await allow('web_search', 'remote_files');
    const put = { scope: 'project_month', limit_usd: 1_000 };
    const made = await world.host.request('/v1/budgets', {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(put),
      caller: 'Admin:user:root',
    });
    const { id } = (await made.json()) as { id: string };
    try {
      const answer = await ask(RESPONSES, tools({ type: 'web_search' }));
      expect([answer.status, await answer.text()]).toEqual([
        400,
        expect.stringMatching(/web_search costs is not known.*Do without web_search/),
      ]);
      expect(world.upstream.seen).toEqual([]);
      const image = inputs({ type: 'input_image', image_url: URL_ELSEWHERE });
      expect((await ask(RESPONSES, image)).status).toBe(200);
    } finally {
      await world.host.request(`/v1/budgets/${id}`, {
        method: 'DELETE',
        caller: 'Admin:user:root',
      });
    }
  });

  it('is allowed by Admins, for their project, by known names, and recorded', async () => {
    const put = (body: object, caller: string) =>
      world.host.request('/v1/hosted-tools', {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        caller,
      });
    const read = async (caller: string) =>
      (await world.host.request('/v1/hosted-tools', { caller })).json();
    expect((await put({ allowed: ['mcp'] }, 'Developer:user:dev')).status).toBe(403);
    expect((await put({ allowed: ['everything'] }, 'Admin:user:root')).status).toBe(400);
    expect(await read('Viewer:user:vic')).toEqual({ allowed: [] });
    await put({ allowed: ['web_search', 'mcp', 'mcp'] }, 'Admin:user:root');
    expect(await read('Viewer:user:vic')).toEqual({ allowed: ['mcp', 'web_search'] });
    expect(await read('Viewer:user:vic:elsewhere')).toEqual({ allowed: [] });
    expect(world.host.audited.at(-1)).toMatchObject({
      principal: 'user:root',
      projectId: 'default',
      action: 'hosted_tools.set',
      target: 'mcp,web_search',
    });
    await put({ allowed: [] }, 'Admin:user:root');
    expect(await read('Viewer:user:vic')).toEqual({ allowed: [] });
    expect(world.host.audited.at(-1)).toMatchObject({ target: 'none' });
  });
});

describe('what the gateway would not understand', () => {
  it.each([
    ['a key in other case', '{"model":"coder","Tools":[{"type":"mcp"}]}'],
    ['a key with a space', '{"model":"coder","tools ":[{"type":"mcp"}]}'],
    ['a type in other case', '{"model":"coder","tools":[{"type":"MCP"}]}'],
    ['an escaped key', '{"model":"coder","to\\u006fls":[{"type":"mcp"}]}'],
    ['an escaped type', '{"model":"coder","tools":[{"type":"\\u006dcp"}]}'],
    ['a key given twice', '{"model":"coder","tools":[],"tools":[{"type":"mcp"}]}'],
    ['a prototype', '{"model":"coder","__proto__":{"tools":[{"type":"mcp"}]}}'],
  ])('%s is seen through', async (_, text) => {
    expect((await send(RESPONSES, text)).status).toBe(400);
    expect(world.upstream.seen).toEqual([]);
  });

  it('never reaches a provider that reads the first of two keys', async () => {
    const text = '{"model":"coder","tools":[{"type":"mcp"}],"tools":[],"input":"a","input":"b"}';
    expect((await send(RESPONSES, text)).status).toBe(200);
    expect(world.upstream.seen[0]!.body).toBe('{"model":"deployed-coder","input":"b","tools":[]}');
  });

  it('is named once and briefly, however much of it there is', async () => {
    const text = textOf(MESSAGES, {
      messages: Array.from({ length: 50_000 }, () => 1),
      ['x'.repeat(5_000)]: 1,
    });
    const answer = await send(MESSAGES, text);
    expect(answer.status).toBe(400);
    expect((await answer.text()).length).toBeLessThan(1_000);
  });
});

describe('what passes', () => {
  it.each([
    [RESPONSES, inputs({ type: 'input_image', image_url: DATA })],
    [RESPONSES, inputs({ type: 'input_file', file_data: 'JVBERi0=', filename: 'a.pdf' })],
    [
      RESPONSES,
      tools({ type: 'function', name: 'f', parameters: { mcp_servers: [URL_ELSEWHERE] } }),
    ],
    [CHAT, messages({ type: 'image_url', image_url: { url: DATA } })],
    [
      MESSAGES,
      messages({
        type: 'tool_use',
        id: 't',
        name: 'n',
        input: { type: 'url', url: URL_ELSEWHERE },
      }),
    ],
    [MESSAGES, tools({ type: 'bash_20250124', name: 'bash' })],
    [GEMINI, parts({ inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' } })],
    [GEMINI, parts({ functionCall: { name: 'f', args: { fileUri: URL_ELSEWHERE } } })],
  ] satisfies [Path, object][])('%s: the data of the caller itself, %j', async (path, body) => {
    expect((await ask(path, body)).status).toBe(200);
    expect(JSON.parse(world.upstream.seen[0]!.body)).toMatchObject(body);
  });
});

describe('headers', () => {
  const named = async (headers: Record<string, string>, body: object = {}) => {
    const answer = await send(MESSAGES, textOf(MESSAGES, body), headers);
    expect(answer.status).toBe(200);
    return { seen: world.upstream.seen.at(-1)!, answer };
  };

  it('of beta features are sent if known, and the rest is counted', async () => {
    const betas =
      'claude-code-20250219, mcp-client-2025-11-20,fast-mode-2026-02-01,context-1m-2025-08-07';
    const { seen, answer } = await named({ 'anthropic-beta': betas });
    expect(seen.headers['anthropic-beta']).toBe('claude-code-20250219,context-1m-2025-08-07');
    expect(answer.headers.get('holdfast-dropped-betas')).toBe('2');
  });

  it('of the long context is not sent for a model whose input is reserved without it', async () => {
    const betas = 'claude-code-20250219,context-1m-2025-08-07';
    const { seen, answer } = await named({ 'anthropic-beta': betas }, { model: 'claude-short' });
    expect(seen.headers['anthropic-beta']).toBe('claude-code-20250219');
    expect(answer.headers.get('holdfast-dropped-betas')).toBe('1');
  });

  it('of a hosted tool’s beta are sent with that tool, where it is allowed', async () => {
    await allow('mcp');
    const headers = { 'anthropic-beta': 'mcp-client-2025-11-20,web-fetch-2025-09-10' };
    const { seen, answer } = await named(headers, tools({ type: 'mcp_toolset' }));
    expect(seen.headers['anthropic-beta']).toBe('mcp-client-2025-11-20');
    expect(answer.headers.get('holdfast-dropped-betas')).toBe('1');
  });

  it('that could change what the body means, or what is on, are not sent', async () => {
    const { seen } = await named({
      'content-type': 'application/json; charset=utf-7',
      'content-encoding': 'identity',
      'openai-beta': 'x=1',
      'x-codex-beta-features': 'web',
      'x-stainless-helper': 'y',
      'anthropic-version': '2023-06-01, 2099-01-01',
      'x-http-method-override': 'PUT',
    });
    expect(seen.headers['content-type']).toBe('application/json');
    for (const name of [
      'content-encoding',
      'openai-beta',
      'x-codex-beta-features',
      'x-stainless-helper',
      'anthropic-version',
      'x-http-method-override',
      'anthropic-beta',
    ]) {
      expect(seen.headers[name]).toBeUndefined();
    }
  });

  it('aside, queries have known values', async () => {
    const run = await world.host.newRun();
    await world.host.request(`${MESSAGES}?beta=false&alt=media&api-version=2025-01-01%26x`, {
      method: 'POST',
      body: textOf(MESSAGES, {}),
      headers: { authorization: `Bearer ${run.token}` },
    });
    expect(world.upstream.seen[0]!.path).toBe('/v1/messages');
  });
});
