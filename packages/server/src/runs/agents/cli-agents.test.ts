import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Agent } from './agent.ts';
import { createClaudeAgent } from './claude/agent.ts';
import type { AdapterOptions } from './cli-agent.ts';
import { createCodexAgent } from './codex/agent.ts';
import { createGeminiAgent } from './gemini/agent.ts';
import { installReplay, type Replay } from './testing/replay.ts';
import { openWorkbench, TEST_TOKEN, type Workbench } from './testing/workbench.ts';

const GATEWAY = 'http://127.0.0.1:8787';
const CLIS = [
  { command: 'claude', create: createClaudeAgent, install: '@anthropic-ai/claude-code@2.1.330' },
  { command: 'codex', create: createCodexAgent, install: '@openai/codex@0.169.0' },
  { command: 'gemini', create: createGeminiAgent, install: '@google/gemini-cli@0.61.0' },
] as const;

let bench: Workbench;
let agentsDir: string;

beforeEach(() => {
  bench = openWorkbench();
  agentsDir = join(bench.homeDir, 'agents');
});
afterEach(() => bench.close());

function replayed(
  create: (options: AdapterOptions) => Agent,
  replay: Replay,
  options: Partial<AdapterOptions> = {},
): Agent {
  installReplay(agentsDir, replay);
  return create({ isolated: true, agentsDir, ...options });
}

const kept = (file: string) => readFileSync(join(bench.homeDir, file), 'utf8');

describe.each(CLIS)('the adapter of $command', ({ command, create, install }) => {
  it('does not read an exit code as success: no result is a failure', async () => {
    const agent = replayed(create, { command, complaint: `bad key ${TEST_TOKEN}` });
    const outcome = await bench.start(agent, { gatewayUrl: GATEWAY }).done;
    expect(outcome).toEqual({
      kind: 'failed',
      reason: 'agent_error',
      message: 'The agent ended with exit code 0 without a result.\nbad key ***',
    });
  });

  it('does not read an exit code as failure either', async () => {
    const agent = replayed(create, { command, fixture: `${command}-edit.jsonl`, exitCode: 145 });
    const outcome = await bench.start(agent, { gatewayUrl: GATEWAY }).done;
    expect(outcome).toEqual({ kind: 'succeeded', summary: 'Changed hey to hello.' });
  });

  it('recognises an exhausted budget in the output of the program', async () => {
    const agent = replayed(create, { command, fixture: `${command}-over-budget.jsonl` });
    const outcome = await bench.start(agent, { gatewayUrl: GATEWAY }).done;
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'budget' });
  });

  it('gives the instruction on standard input and the token in the environment only', async () => {
    const agent = replayed(create, { command, fixture: `${command}-edit.jsonl` });
    const instruction = '--help me; it is "quoted"\nand long';
    await bench.start(agent, { gatewayUrl: GATEWAY, instruction }).done;
    expect(kept('arguments')).not.toContain('help me');
    expect(kept('arguments')).not.toContain(TEST_TOKEN);
    expect(kept('environment')).toContain(TEST_TOKEN);
    expect(kept('environment')).toContain(`HOME=${bench.homeDir}`);
    const input = kept('input');
    expect(input.includes(instruction) || input.includes(JSON.stringify(instruction))).toBe(true);
  });

  it('allows acts without consent only where the sandbox isolates', async () => {
    const flags = /dangerously-skip-permissions|danger-full-access|yolo/;
    for (const isolated of [false, true]) {
      const agent = replayed(create, { command, fixture: `${command}-edit.jsonl` }, { isolated });
      await bench.start(agent, { gatewayUrl: GATEWAY }).done;
      expect(flags.test(kept('arguments'))).toBe(isolated);
    }
  });

  it('resumes a session and asks for a model', async () => {
    const agent = replayed(create, { command, fixture: `${command}-edit.jsonl` });
    const context = { gatewayUrl: GATEWAY, resume: 'session-1', model: 'some-model' };
    await bench.start(agent, context).done;
    const asked = kept('arguments') + kept('input');
    expect(asked).toMatch(/resume\nsession-1\n|"thread\/resume","params":{"threadId":"session-1"/);
    expect(asked).toMatch(/(-m|--model)\nsome-model\n|"model":"some-model"/);
  });

  it('reports the installed version, and how to install it', async () => {
    const agent = replayed(create, { command, version: '9.8.7-beta.1' });
    const wantedVersion = install.slice(install.lastIndexOf('@') + 1);
    expect(await agent.probe()).toEqual({
      available: true,
      version: '9.8.7-beta.1',
      wantedVersion,
      install: `npm install -g ${install}`,
    });
    expect(agent.readOnlyPaths).toContain(join(agentsDir, command));
  });

  it('is not available where its program is not, or is something else', async () => {
    const path = process.env.PATH;
    process.env.PATH = '/usr/bin:/bin';
    try {
      const missing = create({ isolated: true, agentsDir });
      expect(await missing.probe()).toMatchObject({ available: false, version: null });
      const outcome = await bench.start(missing, { gatewayUrl: GATEWAY }).done;
      expect(outcome).toMatchObject({ kind: 'failed', reason: 'agent_error' });
      expect(outcome.kind === 'failed' && outcome.message).toContain(install);
    } finally {
      process.env.PATH = path;
    }
    const odd = replayed(create, { command, version: 'unknown' });
    expect(await odd.probe()).toMatchObject({ available: false, version: null });
  });

  it('reports the session first and finishes every started tool', async () => {
    const agent = replayed(create, { command, fixture: `${command}-edit.jsonl` });
    await bench.start(agent, { gatewayUrl: GATEWAY }).done;
    const calls = (type: string) =>
      bench.events.filter(event => event.type === type).map(({ data }) => data.call_id);
    expect(bench.types()[0]).toBe('agent.session');
    expect(calls('tool.started').length).toBeGreaterThan(0);
    expect(calls('tool.finished')).toEqual(calls('tool.started'));
    expect(bench.find('tool.finished')!.private!.output).toContain('hello you');
    const messages = bench.events.filter(({ type }) => type === 'agent.message');
    expect(messages.map(event => event.private!.text)).toEqual([
      'I edit it.',
      'Changed hey to hello.',
    ]);
  });
});

describe('what one vendor has and another has not', () => {
  it('Claude Code: repeated calls, and the plan from its list of to-dos', async () => {
    const agent = replayed(createClaudeAgent, { command: 'claude', fixture: 'claude-retry.jsonl' });
    await bench.start(agent, { gatewayUrl: GATEWAY }).done;
    const retries = bench.events.filter(({ type }) => type === 'agent.retrying');
    expect(retries.map(({ data }) => data)).toEqual([
      { attempt: 1, status: 503 },
      { attempt: 2, status: 503 },
    ]);
    const edit = replayed(createClaudeAgent, { command: 'claude', fixture: 'claude-edit.jsonl' });
    await bench.start(edit, { gatewayUrl: GATEWAY }).done;
    expect(bench.find('agent.plan')!.data).toEqual({ pending: 1, active: 1, done: 0 });
  });

  it('Codex: repeated calls are not errors', async () => {
    const fixture = 'codex-over-budget.jsonl';
    const agent = replayed(createCodexAgent, { command: 'codex', fixture });
    await bench.start(agent, { gatewayUrl: GATEWAY }).done;
    const retries = bench.events.filter(({ type }) => type === 'agent.retrying');
    expect(retries.map(({ data }) => data.attempt)).toEqual([1, 2, 3, 4, 5]);
    expect(retries[0]!.data.status).toBe(403);
    expect(retries[0]!.private!.message).toContain('Over budget.');
  });

  it('Codex: begins a new thread where it has lost the old one', async () => {
    const agent = replayed(createCodexAgent, {
      command: 'codex',
      fixture: 'codex-no-thread.jsonl',
    });
    const outcome = await bench.start(agent, { gatewayUrl: GATEWAY, resume: 'gone' }).done;
    expect(outcome).toEqual({ kind: 'succeeded', summary: 'Changed hey to hello.' });
    expect(bench.find('agent.output')!.private!.text).toContain('cannot be resumed: no rollout');
    expect(kept('input')).toMatch(/thread\/resume.*thread\/start.*turn\/start/s);
  });

  it('Codex: takes a message while it works, and none afterwards', async () => {
    const agent = replayed(createCodexAgent, { command: 'codex', fixture: 'codex-steered.jsonl' });
    const run = bench.start(agent, { gatewayUrl: GATEWAY });
    expect(await run.steer('Also "this".')).toBe(true);
    await run.done;
    expect(kept('input')).toMatch(/"turn\/steer".*"expectedTurnId":"01.*Also \\"this\\"\./);
    expect(await run.steer('Too late.')).toBe(false);
  });

  it('Codex: does not count a message as steered that nothing follows', async () => {
    const fixture = 'codex-steered-late.jsonl';
    const agent = replayed(createCodexAgent, { command: 'codex', fixture });
    const run = bench.start(agent, { gatewayUrl: GATEWAY });
    expect(await run.steer('Also this.')).toBe(false);
    expect((await run.done).kind).toBe('succeeded');
  });

  it('Codex: agents that it starts by itself neither write messages nor end the run', async () => {
    const fixture = 'codex-sub-agent.jsonl';
    const agent = replayed(createCodexAgent, { command: 'codex', fixture });
    const outcome = await bench.start(agent, { gatewayUrl: GATEWAY }).done;
    expect(outcome).toEqual({ kind: 'succeeded', summary: 'Changed hey to hello.' });
    expect(JSON.stringify(bench.events)).not.toContain('somebody else');
  });

  it('Codex: is asked to end its turn before it is killed', async () => {
    const fixture = 'codex-interrupted.jsonl';
    const agent = replayed(createCodexAgent, { command: 'codex', fixture });
    const run = bench.start(agent, { gatewayUrl: GATEWAY });
    await bench.seen(({ type }) => type === 'tool.finished');
    run.stop('SIGINT');
    expect(await run.done).toMatchObject({ kind: 'failed', message: 'Interrupted.' });
    expect(kept('input')).toContain('"method":"turn/interrupt"');
    expect((await bench.processes[0]!.exited).signal).toBe(null);
  });

  it('Codex: a turn that it refuses to begin is a failure, and requests are refused', async () => {
    const agent = replayed(createCodexAgent, { command: 'codex', fixture: 'codex-refused.jsonl' });
    const outcome = await bench.start(agent, { gatewayUrl: GATEWAY }).done;
    expect(outcome).toEqual({ kind: 'failed', reason: 'agent_error', message: 'No such model.' });
    expect(kept('input')).toContain('{"id":"a1","error":{"code":-32601');
  });

  it('Gemini: the plan from its list of to-dos', async () => {
    const agent = replayed(createGeminiAgent, { command: 'gemini', fixture: 'gemini-edit.jsonl' });
    await bench.start(agent, { gatewayUrl: GATEWAY }).done;
    expect(bench.find('agent.plan')!.data).toEqual({ pending: 0, active: 1, done: 0 });
  });
});
