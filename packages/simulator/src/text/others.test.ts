/** Anthropic's and Google's shapes, directives, faults and accounts, over plain HTTP. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../server.ts';

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({});
});
afterAll(() => simulator.close());

function post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return fetch(simulator.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
}

/** Unchecked, for tests look at single fields. */
async function jsonOf(answer: Response | Promise<Response>) {
  return JSON.parse(await (await answer).text());
}

async function eventsOf(response: Response) {
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const text = await response.text();
  return text
    .split('\n\n')
    .filter(Boolean)
    .map(block => JSON.parse(/^data: (.*)$/m.exec(block)![1]!));
}

const FILE = { file_path: { type: 'string' } };
const CLAUDE_TOOLS = [
  { name: 'Bash', input_schema: { properties: { command: { type: 'string' } } } },
  { name: 'Read', input_schema: { properties: FILE } },
  {
    name: 'Edit',
    input_schema: {
      properties: { ...FILE, old_string: { type: 'string' }, new_string: { type: 'string' } },
    },
  },
  { name: 'Write', input_schema: { properties: { ...FILE, content: { type: 'string' } } } },
];
const SYSTEM = [{ type: 'text', text: 'Env:\nPrimary working directory: /workspace\n' }];

describe('Messages', () => {
  const ask = (messages: unknown[], rest = {}) =>
    post('/v1/messages?beta=true', {
      model: 'claude-x',
      max_tokens: 100,
      system: SYSTEM,
      tools: CLAUDE_TOOLS,
      messages,
      ...rest,
    });
  const environment = { role: 'system', content: '# Environment\nYou are invoked somewhere.' };
  const user = (text: string) => ({
    role: 'user',
    content: [
      { type: 'text', text: '<system-reminder>\nwritten by the tool' },
      { type: 'text', text },
    ],
  });

  it('streams text, then a call, then usage', async () => {
    const events = await eventsOf(await ask([user('Mend it.')], { stream: true }));
    const types = events.map(event => event.type);
    expect(types.filter((type, at) => type !== types[at - 1])).toEqual([
      'message_start',
      'ping',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    expect(events[0]!.message.usage.input_tokens).toBeGreaterThan(50);
    const delta = events.find(event => event.type === 'message_delta')!;
    expect(delta.delta.stop_reason).toBe('tool_use');
    const json = events.map(event => event.delta?.partial_json ?? '').join('');
    expect(JSON.parse(json)).toEqual({ command: 'ls' });
  });

  it('walks through the sample project with Claude Code’s tools', async () => {
    const messages: unknown[] = [user('Mend it.'), environment];
    const outputs = ['sum.js\nsum.test.js', '1\tfunction f() {\n2\t  return a - b;', 'ok', 'ok'];
    const inputs: unknown[] = [];
    for (const output of outputs) {
      const message = await jsonOf(ask(messages));
      const call = message.content.find((part: { type: string }) => part.type === 'tool_use');
      inputs.push([call.name, call.input]);
      const content = [{ type: 'tool_result', tool_use_id: call.id, content: output }];
      messages.push({ role: 'assistant', content: message.content }, { role: 'user', content });
    }
    const file_path = '/workspace/sum.js';
    expect(inputs).toEqual([
      ['Bash', { command: 'ls' }],
      ['Read', { file_path }],
      ['Edit', { file_path, old_string: 'return a - b', new_string: 'return a + b' }],
      ['Bash', { command: 'node --test' }],
    ]);
    const last = await jsonOf(ask(messages));
    expect(last.stop_reason).toBe('end_turn');
    expect(last.usage.cache_read_input_tokens % 128).toBe(0);
  });

  it('counts tokens and answers errors in its own shape', async () => {
    const counted = await post('/v1/messages/count_tokens', { model: 'm', messages: [] });
    expect(await counted.json()).toEqual({ input_tokens: expect.any(Number) });
    const failed = await ask([user('[[simulate: error 529]]'), environment]);
    expect(failed.status).toBe(529);
    expect(await failed.json()).toMatchObject({
      type: 'error',
      error: { type: 'overloaded_error' },
    });
    expect((await post('/v1/messages', {})).status).toBe(400);
  });
});

describe('Gemini', () => {
  const tools = [
    {
      functionDeclarations: [
        { name: 'list_directory', parametersJsonSchema: { properties: { dir_path: {} } } },
        {
          name: 'write_file',
          parametersJsonSchema: { properties: { ...FILE, content: { type: 'string' } } },
        },
        {
          name: 'run_shell_command',
          parametersJsonSchema: {
            properties: { command: { type: 'string' }, description: { type: 'string' } },
            required: ['command', 'description'],
          },
        },
      ],
    },
  ];
  const contents = [{ role: 'user', parts: [{ text: 'Write it down.' }] }];

  it('streams text and a call with usage', async () => {
    const path = '/v1beta/models/gemini-x:streamGenerateContent?alt=sse';
    const events = await eventsOf(await post(path, { contents, tools }));
    const last = events.at(-1)!;
    expect(last.candidates[0].content.parts).toEqual([
      { functionCall: { id: expect.any(String), name: 'list_directory', args: { dir_path: '.' } } },
    ]);
    expect(last.candidates[0].finishReason).toBe('STOP');
    expect(last.usageMetadata.candidatesTokenCount).toBeGreaterThan(5);
    expect(last.modelVersion).toBe('gemini-x');
  });

  it('goes on after results, with and without call ids, and fills what is required', async () => {
    const path = '/v1beta/models/gemini-x:generateContent';
    const call = { name: 'list_directory', args: {} };
    const result = { name: 'list_directory', response: { output: 'NOTES.md' } };
    const turns = [
      ...contents,
      { role: 'model', parts: [{ text: 'I look.' }, { functionCall: call }] },
      { role: 'user', parts: [{ functionResponse: result }] },
    ];
    const answer = await jsonOf(post(path, { contents: turns, tools }));
    expect(answer.candidates[0].content.parts.at(-1).functionCall).toMatchObject({
      name: 'run_shell_command',
      args: {
        command: "printf '%s\\n' '- Write it down.' >> NOTES.md",
        description: expect.any(String),
      },
    });
  });

  it('answers errors in its own shape', async () => {
    const parts = [{ text: '[[simulate: error 503]]' }];
    const body = { contents: [{ role: 'user', parts }] };
    const answer = await post('/v1beta/models/g:generateContent', body);
    expect(await answer.json()).toMatchObject({ error: { code: 503, status: 'UNAVAILABLE' } });
  });
});

describe('directives, faults and accounts', () => {
  const ask = (input: string, signal?: AbortSignal) =>
    post('/v1/responses', { model: 'm', input }, signal);

  it('hang until the caller gives up', async () => {
    const asked = ask('[[simulate: hang]]', AbortSignal.timeout(300));
    await expect(asked).rejects.toThrow(/timeout|aborted/);
  });

  it('are slow on demand', async () => {
    const startedAt = performance.now();
    await ask('[[simulate: slow 200]]');
    expect(performance.now() - startedAt).toBeGreaterThan(190);
  });

  it('strike text routes only where their rule names them', async () => {
    await post('/_simulator/faults', { fault: 'refuse', status: 503, times: 1 });
    await post('/_simulator/faults', { fault: 'refuse', status: 429, times: 1, routes: ['text'] });
    expect((await ask('x')).status).toBe(429);
    expect((await ask('x')).status).toBe(200);
  });

  it('count calls and tokens', async () => {
    const read = () => jsonOf(fetch(`${simulator.url}/_simulator/text`));
    const before = await read();
    const answer = await jsonOf(ask('x'));
    const after = await read();
    expect(after.calls.m).toBe(before.calls.m + 1);
    expect(after.input_tokens - before.input_tokens).toBe(answer.usage.input_tokens);
    expect(after.output_tokens - before.output_tokens).toBe(answer.usage.output_tokens);
  });
});
