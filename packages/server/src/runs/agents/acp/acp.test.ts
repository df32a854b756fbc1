import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openWorkbench, TEST_TOKEN, type Workbench } from '../testing/workbench.ts';
import { createAcpAgent } from './agent.ts';

const PROGRAM = fileURLToPath(new URL('../testing/acp-agent.ts', import.meta.url));
const gatewayUrl = 'http://127.0.0.1:8787';
let bench: Workbench;

beforeEach(() => {
  bench = openWorkbench();
  const file = join(bench.homeDir, 'test-agent');
  writeFileSync(file, `#!/bin/sh\nexec "${process.execPath}" "$@"\n`);
  chmodSync(file, 0o755);
});
afterEach(() => bench.close());

const acp = (isolated = true) =>
  createAcpAgent({
    name: 'test-agent',
    title: 'Test agent',
    cli: { command: 'test-agent' },
    args: [PROGRAM],
    isolated,
    agentsDir: bench.homeDir,
    env: ({ token }) => ({ MY_TOKEN: token }),
  });

const edited = () => existsSync(join(bench.workspaceDir, 'greet.txt'));

describe('an agent over ACP', () => {
  it('gets no permission where the sandbox does not isolate', async () => {
    const outcome = await bench.start(acp(false), { gatewayUrl }).done;
    expect(outcome).toEqual({ kind: 'succeeded', summary: 'I was not allowed.' });
    expect(edited()).toBe(false);
    expect(bench.find('tool.finished')!.data.status).toBe('error');
  });

  it('edits, and the log joins the pieces of a message', async () => {
    const outcome = await bench.start(acp(), { gatewayUrl }).done;
    expect(outcome).toEqual({ kind: 'succeeded', summary: 'Edited.' });
    expect(edited()).toBe(true);
    expect(bench.types()).toEqual([
      'agent.session',
      'agent.message',
      'tool.started',
      'tool.finished',
      'agent.message',
    ]);
    expect(bench.events[1]!.private).toEqual({ text: 'I edit.' });
    expect(bench.events[2]!.data).toMatchObject({ name: 'Edit greet.txt', kind: 'execute' });
    expect(JSON.stringify(bench.events)).not.toContain(TEST_TOKEN);
  });

  it('loads a session without logging its history again', async () => {
    await bench.start(acp(), { gatewayUrl }).done;
    const before = bench.events.length;
    await bench.start(acp(), { gatewayUrl, resume: 's1' }).done;
    const events = bench.events.slice(before);
    expect(events[0]).toEqual({ type: 'agent.session', data: { session_id: 's1', model: null } });
    expect(JSON.stringify(events)).not.toContain('before:');
  });

  it('begins a new session, and logs that, where the old one is gone', async () => {
    const outcome = await bench.start(acp(), { gatewayUrl, resume: 'gone' }).done;
    expect(outcome).toMatchObject({ kind: 'succeeded' });
    expect(bench.find('agent.session')!.data.session_id).toBe('s1');
    expect(bench.find('agent.output')!.private!.text).toContain('session cannot be loaded');
  });

  it('is asked to stop by the protocol', async () => {
    const run = bench.start(acp(), { gatewayUrl, instruction: 'wait' });
    await bench.seen(({ type }) => type === 'agent.plan');
    run.stop('SIGINT');
    expect(await run.done).toMatchObject({ kind: 'failed', message: 'Interrupted.' });
    expect(await bench.processes[0]!.exited).toEqual({ code: 0, signal: null });
  });

  it('fails when it ends or is killed without an answer', async () => {
    const crashed = await bench.start(acp(), { gatewayUrl, instruction: 'crash' }).done;
    expect(crashed).toMatchObject({ kind: 'failed', reason: 'agent_error' });
    const run = bench.start(acp(), { gatewayUrl, instruction: 'wait' });
    await bench.seen(({ type }) => type === 'agent.plan');
    run.stop('SIGKILL');
    expect(await run.done).toMatchObject({ kind: 'failed', reason: 'agent_error' });
  });
});
