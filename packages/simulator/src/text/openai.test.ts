/** OpenAI's own client and the AI SDK against the coding model. */
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, jsonSchema, stepCountIs, tool } from 'ai';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../server.ts';
import { TOOLS, Workspace } from '../testing/workspace.ts';

const KEY = 'k-1';
let simulator: Simulator;
let openai: OpenAI;
const workspaces: Workspace[] = [];

beforeAll(async () => {
  simulator = await startSimulator({ apiKey: KEY });
  openai = new OpenAI({ apiKey: KEY, baseURL: `${simulator.url}/v1`, maxRetries: 0 });
});
afterAll(() => simulator.close());
afterEach(() => {
  for (const workspace of workspaces.splice(0)) workspace.remove();
});

function newWorkspace(sample = true): Workspace {
  const workspace = new Workspace(sample);
  workspaces.push(workspace);
  return workspace;
}

const MENDED = ['list_files', 'read_file', 'edit_file', 'run_command'];

/** The agent's loop, by hand; the wire types are checked by the client. */
async function workOverResponses(workspace: Workspace, instruction: string, store: boolean) {
  let input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: instruction }];
  let previous: string | undefined;
  const tools = TOOLS.map(one => ({ type: 'function' as const, strict: false, ...one }));
  for (;;) {
    const stream = openai.responses.stream({
      model: 'm',
      store,
      input,
      tools,
      ...(previous !== undefined && { previous_response_id: previous }),
    });
    const response = await stream.finalResponse();
    const calls = response.output.filter(item => item.type === 'function_call');
    if (calls.length === 0) return response;
    const results = calls.map(call => ({
      type: 'function_call_output' as const,
      call_id: call.call_id,
      output: workspace.run(call.name, JSON.parse(call.arguments)),
    }));
    if (store) {
      previous = response.id;
      input = results;
    } else {
      input = [...input, ...(response.output as OpenAI.Responses.ResponseInputItem[]), ...results];
    }
  }
}

describe('Responses', () => {
  it.each([false, true])('mends the sample project, stored: %s', async store => {
    const workspace = newWorkspace();
    const response = await workOverResponses(workspace, 'Mend the test.', store);
    expect(workspace.called).toEqual(MENDED);
    expect(workspace.read('sum.js')).toContain('return a + b;');
    expect(response.output_text).toMatch(/mended sum\.js/);
    expect(response.usage).toMatchObject({ output_tokens: expect.any(Number) });
    expect(response.usage!.input_tokens).toBeGreaterThan(100);
  });

  it('finds the shell that Codex wraps in a tool of its list of tools', async () => {
    const description = 'declare const tools: { exec_command(args: { cmd: string; }) };';
    const wrapped = [{ type: 'custom', name: 'exec', description }];
    const tools = [{ type: 'namespace', name: 'functions', tools: wrapped }];
    const response = await openai.responses.create({
      model: 'm',
      input: [
        { type: 'additional_tools', role: 'developer', tools },
        { role: 'user', content: 'Look around.' },
      ] as unknown as OpenAI.Responses.ResponseInput,
    });
    const call = response.output.find(item => item.type === 'function_call');
    expect(call).toMatchObject({ name: 'exec_command', arguments: '{"cmd":"ls"}' });
  });

  it('repeats the first instruction, where a directive asks it to', async () => {
    const tools = [{ type: 'function' as const, strict: false, ...TOOLS[0]! }];
    const recall = { role: 'user' as const, content: '[[simulate: recall]]' };
    const ask = async (input: OpenAI.Responses.ResponseInput) =>
      (await openai.responses.create({ model: 'm', input, tools })).output_text;
    const before = { role: 'user' as const, content: 'Mend the test.' };
    expect(await ask([before, recall])).toBe('I was asked: Mend the test.');
    expect(await ask([recall])).toBe('I remember nothing.');
  });

  it('sends its events in the order of the API', async () => {
    const stream = await openai.responses.create({
      model: 'm',
      stream: true,
      input: 'Do.',
      tools: [{ type: 'function', strict: false, ...TOOLS[0]! }],
    });
    const types: string[] = [];
    for await (const event of stream) {
      expect(event.sequence_number).toBe(types.length);
      types.push(event.type);
    }
    expect(types.filter((type, at) => type !== types[at - 1])).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ]);
  });

  it('writes through a shell and a patch, as Codex has them', async () => {
    const shell = { name: 'exec_command', parameters: { properties: { cmd: { type: 'string' } } } };
    const tools = [
      { type: 'function', strict: false, ...shell } as OpenAI.Responses.FunctionTool,
      { type: 'custom', name: 'apply_patch' } as const,
    ];
    const input: OpenAI.Responses.ResponseInput = [
      { role: 'user', content: '<environment_context>\n<cwd>/w</cwd>' },
      { role: 'user', content: 'Write it down.' },
      { type: 'function_call', call_id: '1', name: 'exec_command', arguments: '{"cmd":"ls"}' },
      { type: 'function_call_output', call_id: '1', output: 'a.txt' },
    ];
    const { output } = await openai.responses.create({ model: 'm', store: false, input, tools });
    expect(output.at(-1)).toMatchObject({
      type: 'custom_tool_call',
      name: 'apply_patch',
      input: '*** Begin Patch\n*** Add File: NOTES.md\n+- Write it down.\n*** End Patch',
    });
  });

  it('refuses a reference to a response that it never sent', async () => {
    const input = [{ type: 'item_reference' as const, id: 'msg_none' }];
    await expect(openai.responses.create({ model: 'm', input })).rejects.toMatchObject({
      status: 404,
    });
  });

  it('refuses a wrong key', async () => {
    const stranger = new OpenAI({ apiKey: 'x', baseURL: `${simulator.url}/v1`, maxRetries: 0 });
    const asked = stranger.responses.create({ model: 'm', input: 'x' });
    await expect(asked).rejects.toMatchObject({ status: 401 });
  });

  it('answers JSON of the shape asked for', async () => {
    const schema = {
      type: 'object',
      properties: { who: { type: 'string', enum: ['user', 'model'] }, n: { type: 'integer' } },
      required: ['who', 'n'],
    };
    const format = { type: 'json_schema' as const, name: 'x', schema };
    const response = await openai.responses.create({ model: 'm', input: 'x', text: { format } });
    expect(JSON.parse(response.output_text)).toEqual({ who: 'user', n: 1 });
  });
});

describe('chat completions', () => {
  it('mends the sample project', async () => {
    const workspace = newWorkspace();
    const tools = TOOLS.map(one => ({ type: 'function' as const, function: one }));
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Mend it.' }];
    for (;;) {
      const stream = openai.chat.completions.stream({
        model: 'm',
        messages,
        tools,
        stream_options: { include_usage: true },
      });
      const completion = await stream.finalChatCompletion();
      expect(completion.usage?.total_tokens).toBeGreaterThan(10);
      const { message } = completion.choices[0]!;
      messages.push(message);
      if (!message.tool_calls?.length) break;
      for (const call of message.tool_calls) {
        if (call.type !== 'function') throw new Error('unexpected');
        const { name, arguments: input } = call.function;
        const content = workspace.run(name, JSON.parse(input));
        messages.push({ role: 'tool', tool_call_id: call.id, content });
      }
    }
    expect(workspace.called).toEqual(MENDED);
    expect(workspace.read('sum.js')).toContain('return a + b;');
  });
});

describe('the AI SDK', () => {
  const toolsOn = (workspace: Workspace) =>
    Object.fromEntries(
      TOOLS.map(({ name, parameters }) => [
        name,
        tool({
          description: name,
          inputSchema: jsonSchema<Record<string, string>>(parameters as never),
          execute: async input => workspace.run(name, input),
        }),
      ]),
    );

  it.each(['Mend it.', 'Write notes. [[simulate: steps 3]] [[simulate: command echo hi]]'])(
    'works through: %s',
    async prompt => {
      const mends = prompt === 'Mend it.';
      const workspace = newWorkspace(mends);
      const provider = createOpenAI({ apiKey: KEY, baseURL: `${simulator.url}/v1` });
      const result = await generateText({
        model: provider.responses('gpt-5.1-codex'),
        prompt,
        tools: toolsOn(workspace),
        stopWhen: stepCountIs(20),
      });
      expect(result.finishReason).toBe('stop');
      expect(workspace.called.length).toBe(mends ? 4 : 6);
      if (!mends)
        expect(workspace.read('NOTES.md')).toBe('Step 1.\nStep 2.\nStep 3.\n- Write notes.\n');
      else expect(workspace.called).toEqual(MENDED);
      expect(result.totalUsage.inputTokens).toBeGreaterThan(100);
    },
  );
});
