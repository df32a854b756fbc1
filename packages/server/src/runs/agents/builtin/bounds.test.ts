import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelMessage } from 'ai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openModelServer } from '../testing/model-server.ts';
import { openWorkbench, type Workbench } from '../testing/workbench.ts';
import { createBuiltinAgent } from './agent.ts';
import { HeadAndTail } from './command.ts';
import { bounded, CONTEXT_MAX_CHARS, RECENT_MESSAGES } from './context.ts';
import { STEPS_MAX } from './loop.ts';
import { ANSWER_MAX_CHARS, FILE_MAX_BYTES, READ_LINES, runTool } from './tool-runner.ts';

let bench: Workbench;
beforeEach(() => {
  bench = openWorkbench({ 'a.txt': 'one\ntwo\ntwo\n', '.gitignore': 'ignored.txt\n' });
});
afterEach(() => bench.close());

const at = (path: string) => join(bench.workspaceDir, path);
const use = (name: string, input: unknown, signal = new AbortController().signal) =>
  runTool(name, input, { workspaceDir: bench.workspaceDir, signal, setPlan: () => {} });

describe('the tools of the built-in agent', () => {
  it('refuse every path out of the workspace', async () => {
    symlinkSync('/etc', at('link'));
    symlinkSync(join(bench.homeDir, 'new.txt'), at('dangling'));
    mkdirSync(`${bench.workspaceDir}-beside`);
    for (const path of ['..', '/etc/passwd', 'link/passwd', '../workspace-beside/x', 'a/../../b']) {
      for (const [name, rest] of [
        ['read_file', {}],
        ['write_file', { content: 'x' }],
        ['edit_file', { old_text: 'a', new_text: 'b' }],
        ['list_files', {}],
        ['search', { pattern: 'root' }],
      ] as const) {
        const answer = await use(name, { path, ...rest });
        expect({ name, path, ...answer }).toMatchObject({ ok: false });
        expect(answer.output).toContain('outside the workspace');
      }
    }
    expect(await use('write_file', { path: 'dangling', content: 'x' })).toMatchObject({
      ok: false,
    });
  });

  it('edit only text that occurs exactly once', async () => {
    const edit = (old_text: string) =>
      use('edit_file', { path: 'a.txt', old_text, new_text: '$& 2' });
    expect(await edit('two')).toMatchObject({ ok: false, output: 'old_text is in a.txt twice.' });
    expect(await edit('three')).toMatchObject({ ok: false });
    expect(await edit('one')).toMatchObject({ ok: true });
    expect(readFileSync(at('a.txt'), 'utf8')).toBe('$& 2\ntwo\ntwo\n');
  });

  it('list and search without ignored files, and find nothing without failing', async () => {
    writeFileSync(at('ignored.txt'), 'two\n');
    writeFileSync(at('-n'), 'two\n');
    expect((await use('list_files', {})).output.split('\n').sort()).toEqual(
      ['', '-n', '.gitignore', 'a.txt'].sort(),
    );
    const found = await use('search', { pattern: '^tw.$' });
    expect(found.output).toBe('-n:1:two\na.txt:2:two\na.txt:3:two\n');
    expect(await use('search', { pattern: 'absent' })).toMatchObject({ ok: true });
    expect(await use('search', { pattern: '(' })).toMatchObject({ ok: false });
  });

  it('bound reading and writing', async () => {
    writeFileSync(at('lines.txt'), `${'x\n'.repeat(READ_LINES)}x`);
    const lines = await use('read_file', { path: 'lines.txt' });
    expect(lines.output).toContain(`[lines 1 to ${READ_LINES} of ${READ_LINES + 1}]`);
    expect((await use('read_file', { path: 'lines.txt', lines: READ_LINES + 1 })).output).toBe(
      readFileSync(at('lines.txt'), 'utf8'),
    );
    writeFileSync(at('wide.txt'), 'x'.repeat(ANSWER_MAX_CHARS + 5));
    expect((await use('read_file', { path: 'wide.txt' })).output).toMatch(/\[… 5 more\]$/);
    writeFileSync(at('large.txt'), Buffer.alloc(FILE_MAX_BYTES + 1, 'x'));
    expect(await use('read_file', { path: 'large.txt' })).toMatchObject({ ok: false });
    writeFileSync(at('binary'), Buffer.from([1, 0, 2]));
    expect(await use('read_file', { path: 'binary' })).toMatchObject({ ok: false });
    expect(await use('read_file', { path: '.' })).toMatchObject({ ok: false });
    const content = 'x'.repeat(FILE_MAX_BYTES + 1);
    expect(await use('write_file', { path: 'new.txt', content })).toMatchObject({ ok: false });
  });

  it('end a command at its time limit, after its work, and with the agent', async () => {
    const slow = await use('run_command', { command: 'sleep 60 | cat', timeout_s: 1 });
    expect(slow).toMatchObject({ ok: false, exitCode: null });
    expect(slow.output).toContain('[stopped after 1 s]');
    const left = await use('run_command', { command: 'sleep 60 & echo started; exit 3' });
    expect(left).toEqual({ ok: false, exitCode: 3, output: 'started\n' });
    const abort = new AbortController();
    const running = use('run_command', { command: 'sleep 60' }, abort.signal);
    abort.abort();
    expect(await running).toMatchObject({ ok: false });
  });
});

describe('the bounds of the built-in agent', () => {
  it('keep beginning and end of output, and count the rest', () => {
    const output = new HeadAndTail(10);
    for (const part of ['01', '234', '5', '6789', 'abc']) output.push(Buffer.from(part));
    expect(output.toString()).toBe('01234\n[… 3 bytes left out …]\n89abc');
    const whole = new HeadAndTail(10);
    whole.push(Buffer.from('0123456789'));
    expect(whole.toString()).toBe('0123456789');
  });

  it('shorten old results until the context fits, and leave the latest whole', () => {
    const value = 'x'.repeat(CONTEXT_MAX_CHARS / 10);
    const messages = Array.from(
      { length: 20 },
      (_, index): ModelMessage => ({
        role: 'tool',
        content: [
          {
            type: 'tool-result',
            toolCallId: `call-${index}`,
            toolName: 'read_file',
            output: { type: 'text', value },
          },
        ],
      }),
    );
    const kept = bounded(messages);
    expect(JSON.stringify(kept).length).toBeLessThanOrEqual(CONTEXT_MAX_CHARS);
    expect(kept.slice(-RECENT_MESSAGES)).toEqual(messages.slice(-RECENT_MESSAGES));
    expect(JSON.stringify(kept[0])).toContain('shortened');
    expect(bounded(messages.slice(0, 9))).toEqual(messages.slice(0, 9));
  });

  it('end a model that never ends', async () => {
    const calls = [{ name: 'update_plan', input: { items: [] } }];
    const model = await openModelServer(() => ({ calls }));
    try {
      const agent = createBuiltinAgent({ model: 'test-model' });
      const outcome = await bench.start(agent, { gatewayUrl: model.url }).done;
      expect(outcome).toEqual({
        kind: 'failed',
        reason: 'agent_error',
        message: `No end after ${STEPS_MAX} steps.`,
      });
      expect(model.turns).toHaveLength(STEPS_MAX);
    } finally {
      await model.close();
    }
  });
});
