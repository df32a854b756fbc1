import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type ModelServer, openModelServer, type Script } from '../testing/model-server.ts';
import { openWorkbench, TEST_TOKEN, type Workbench } from '../testing/workbench.ts';
import { createBuiltinAgent } from './agent.ts';
import { MODEL_ATTEMPTS_MAX } from './model.ts';
import { INTERRUPTED } from './session.ts';

const agent = createBuiltinAgent({ model: 'test-model' });
const EDIT = {
  name: 'edit_file',
  input: { path: 'greet.txt', old_text: 'hey', new_text: 'good day' },
};
const undo: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

async function open(script: Script): Promise<{ model: ModelServer; bench: Workbench }> {
  const model = await openModelServer(script);
  undo.push(() => model.close());
  const bench = openWorkbench({ 'greet.txt': 'hey you\n' });
  undo.push(() => bench.close());
  return { model, bench };
}

const greeting = (bench: Workbench) => readFileSync(join(bench.workspaceDir, 'greet.txt'), 'utf8');

/** A command that waits until `file` is there. */
const waitFor = (file: string) => `while [ ! -e ${file} ]; do sleep 0.02; done`;

describe('the built-in agent', () => {
  it('makes a change, with message, plan, thought and tools in the log', async () => {
    const items = [{ text: 'Edit the greeting', status: 'active' }];
    const { model, bench } = await open(({ number }) => {
      if (number === 1)
        return { thought: 'Small.', calls: [{ name: 'update_plan', input: { items } }] };
      if (number === 2) return { text: 'I edit it.', calls: [EDIT] };
      return { text: 'The greeting is polite now.' };
    });
    const run = bench.start(agent, { gatewayUrl: model.url });
    expect(await run.done).toEqual({ kind: 'succeeded', summary: 'The greeting is polite now.' });
    expect(greeting(bench)).toBe('good day you\n');
    expect(bench.types()).toEqual([
      'agent.session',
      'agent.thought',
      'tool.started',
      'agent.plan',
      'tool.finished',
      'agent.message',
      'tool.started',
      'tool.finished',
      'agent.message',
    ]);
    expect(bench.find('agent.plan')).toMatchObject({
      data: { pending: 0, active: 1, done: 0 },
      private: { items },
    });
    expect(model.turns.every(({ token }) => token === TEST_TOKEN)).toBe(true);
    expect(model.turns[0]!.body).toMatchObject({ model: 'test-model', store: false });
  });

  it('keeps the token from the commands it runs, and out of the log', async () => {
    const commands = ['env', 'cat /proc/$PPID/environ /proc/$PPID/cmdline', `echo ${TEST_TOKEN}`];
    const { model, bench } = await open(({ number }) => {
      const command = commands[number - 1];
      return command ? { calls: [{ name: 'run_command', input: { command } }] } : { text: 'ok' };
    });
    await bench.start(agent, { gatewayUrl: model.url }).done;
    const answers = model.turns.slice(1, 3).map(({ json }) => json);
    for (const answer of answers) expect(answer).not.toContain(TEST_TOKEN);
    expect(answers[0]).toContain('HOME=');
    expect(JSON.stringify(bench.events)).not.toContain(TEST_TOKEN);
    expect(JSON.stringify(bench.events)).toContain('***');
  });

  it('resumes after SIGKILL, with the open call answered', async () => {
    const sleep = { name: 'run_command', input: { command: 'touch began; sleep 60' } };
    const { model, bench } = await open(({ number }) => {
      if (number === 1) return { calls: [EDIT] };
      if (number === 2) return { calls: [sleep] };
      return { text: 'Went on.' };
    });
    const first = bench.start(agent, { gatewayUrl: model.url });
    await bench.seen(({ data }) => data.name === 'run_command');
    bench.processes[0]!.kill('SIGKILL');
    expect(await first.done).toMatchObject({ kind: 'failed', reason: 'agent_error' });
    const resume = bench.find('agent.session')!.data.session_id as string;
    const second = bench.start(agent, { gatewayUrl: model.url, resume });
    expect(await second.done).toEqual({ kind: 'succeeded', summary: 'Went on.' });
    const last = model.turns.at(-1)!.json;
    expect(last).toContain('Edited greet.txt');
    expect(last).toContain(INTERRUPTED);
    expect(last.split('Make the greeting polite.')).toHaveLength(2);
    expect(bench.events.findLast(({ type }) => type === 'agent.session')!.data.session_id).toBe(
      resume,
    );
  });

  it('continues an ended session with a new instruction', async () => {
    const { model, bench } = await open(({ number }) => ({ text: `Answer ${number}.` }));
    await bench.start(agent, { gatewayUrl: model.url }).done;
    const resume = bench.find('agent.session')!.data.session_id as string;
    const next = { gatewayUrl: model.url, resume, instruction: 'And now in French.' };
    expect(await bench.start(agent, next).done).toMatchObject({ summary: 'Answer 2.' });
    for (const text of ['Make the greeting polite.', 'Answer 1.', 'And now in French.']) {
      expect(model.turns[1]!.json).toContain(text);
    }
  });

  it('refuses a session that does not exist, and an id that is a path', async () => {
    const { model, bench } = await open(() => ({ text: 'never' }));
    for (const resume of ['../../etc/passwd', '00000000-0000-0000-0000-000000000000']) {
      const outcome = await bench.start(agent, { gatewayUrl: model.url, resume }).done;
      expect(outcome).toMatchObject({ kind: 'failed', reason: 'agent_error' });
    }
    expect(model.turns).toHaveLength(0);
  });

  it('adds a message that comes while it works before the next model call', async () => {
    const { model, bench } = await open(({ number }) =>
      number === 1
        ? { calls: [{ name: 'run_command', input: { command: waitFor('go') } }] }
        : { text: 'Both done.' },
    );
    const run = bench.start(agent, { gatewayUrl: model.url });
    await bench.seen(({ type }) => type === 'tool.started');
    expect(await run.steer('Also fix the typo.')).toBe(true);
    await import('node:fs/promises').then(fs => fs.writeFile(join(bench.workspaceDir, 'go'), ''));
    expect(await run.done).toMatchObject({ kind: 'succeeded' });
    expect(model.turns[1]!.json).toContain('Also fix the typo.');
    expect(await run.steer('Too late.')).toBe(false);
  });

  it('makes another round for a message that came with the last answer', async () => {
    const steered = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { model, bench } = await open(async ({ number }) => {
      if (number > 1) return { text: 'Second.' };
      asked.resolve();
      await steered.promise;
      return { text: 'First.' };
    });
    const run = bench.start(agent, { gatewayUrl: model.url });
    await asked.promise;
    expect(await run.steer('One more thing.')).toBe(true);
    steered.resolve();
    expect(await run.done).toEqual({ kind: 'succeeded', summary: 'Second.' });
    expect(model.turns[1]!.json).toContain('One more thing.');
  });

  it.each([
    [401, 'invalid_api_key', 'agent_error'],
    [403, 'budget_exceeded', 'budget'],
    [400, 'unknown_model', 'agent_error'],
  ] as const)('ends at once on %i %s', async (status, code, reason) => {
    const { model, bench } = await open(() => ({ status, code, error: `No: ${code}.` }));
    const outcome = await bench.start(agent, { gatewayUrl: model.url }).done;
    expect(outcome).toMatchObject({ kind: 'failed', reason });
    expect(outcome.kind === 'failed' && outcome.message).toContain(`No: ${code}.`);
    expect(model.turns).toHaveLength(1);
  });

  it('repeats the call on 429 and 503, and reports it', async () => {
    const headers = { 'retry-after-ms': '10' };
    const { model, bench } = await open(({ number }) =>
      number < 3 ? { status: number === 1 ? 429 : 503, error: 'Busy.', headers } : { text: 'ok' },
    );
    expect(await bench.start(agent, { gatewayUrl: model.url }).done).toMatchObject({
      kind: 'succeeded',
    });
    const retries = bench.events.filter(({ type }) => type === 'agent.retrying');
    expect(retries.map(({ data }) => data)).toEqual([
      { attempt: 1, status: 429 },
      { attempt: 2, status: 503 },
    ]);
  });

  it('gives up after the last attempt', async () => {
    const headers = { 'retry-after-ms': '5' };
    const { model, bench } = await open(() => ({ status: 500, error: 'Broken.', headers }));
    const outcome = await bench.start(agent, { gatewayUrl: model.url }).done;
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'agent_error' });
    expect(model.turns).toHaveLength(MODEL_ATTEMPTS_MAX);
  });

  it('survives huge output and unknown tools, and stays inside the workspace', async () => {
    const calls = [
      { name: 'run_command', input: { command: 'head -c 50000000 /dev/zero | tr "\\0" x' } },
      { name: 'read_file', input: { path: '../../../etc/passwd' } },
      { name: 'write_file', input: { path: '../outside.txt', content: 'x' } },
      { name: 'launch_rocket', input: {} },
      { name: 'read_file', input: {} },
    ];
    const { model, bench } = await open(({ number }) =>
      number === 1 ? { calls } : { text: 'Still here.' },
    );
    const outcome = await bench.start(agent, { gatewayUrl: model.url }).done;
    expect(outcome).toEqual({ kind: 'succeeded', summary: 'Still here.' });
    expect(model.turns[1]!.json.length).toBeLessThan(80_000);
    expect(model.turns[1]!.json).toContain('bytes left out');
    expect(model.turns[1]!.json.split('is outside the workspace')).toHaveLength(3);
    expect(existsSync(join(bench.workspaceDir, '../outside.txt'))).toBe(false);
  });

  it('is interrupted by SIGINT and keeps its session', async () => {
    const { model, bench } = await open(({ number }) =>
      number === 1
        ? { calls: [{ name: 'run_command', input: { command: 'sleep 60' } }] }
        : { text: 'Back.' },
    );
    const run = bench.start(agent, { gatewayUrl: model.url });
    await bench.seen(({ type }) => type === 'tool.started');
    run.stop('SIGINT');
    expect(await run.done).toMatchObject({ kind: 'failed', message: 'Interrupted.' });
    expect(await bench.processes[0]!.exited).toEqual({ code: 130, signal: null });
    const [file] = readdirSync(join(bench.homeDir, '.holdfast-agent'));
    expect(readFileSync(join(bench.homeDir, '.holdfast-agent', file!), 'utf8')).toContain(
      INTERRUPTED,
    );
  });

  it('ends by itself when the worker is gone', async () => {
    const { model, bench } = await open(() => new Promise(() => {}));
    bench.start(agent, { gatewayUrl: model.url });
    await bench.seen(({ type }) => type === 'agent.session');
    bench.processes[0]!.stdin.end();
    expect(await bench.processes[0]!.exited).toEqual({ code: 130, signal: null });
  });
});
