import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Agent, AgentContext } from './agent.ts';
import {
  Conversation,
  INPUT_MAX_BYTES,
  type Interpretation,
  PLAIN_OUTPUT_MAX_BYTES,
} from './conversation.ts';
import { agentMessage, succeeded } from './events.ts';
import { LINE_MAX_BYTES } from './lines.ts';
import { spawnPlain } from './testing/spawn.ts';
import { openWorkbench, type Workbench } from './testing/workbench.ts';
import type { Json } from './text.ts';

let bench: Workbench;
beforeEach(() => {
  bench = openWorkbench();
});
afterEach(() => bench.close());

function interpret(message: Json): Interpretation | null {
  if (message.odd) return { events: [agentMessage(String(message.odd))] };
  if (typeof message.said === 'string') return { events: [agentMessage(message.said)] };
  return typeof message.done === 'string' ? { outcome: succeeded(message.done) } : null;
}

/** An agent that is a shell script. */
const scripted = (script: string): Agent => ({
  name: 'scripted',
  title: 'Scripted',
  steerable: false,
  resumable: false,
  readOnlyPaths: [],
  probe: async () => ({ available: true, version: null, wantedVersion: null, install: null }),
  start: context => {
    const process = context.spawn(['sh', '-c', script], {});
    const conversation = new Conversation({ context, process, interpret, exitGraceMs: 200 });
    return {
      done: conversation.done,
      steer: async () => false,
      stop: signal => conversation.stop(signal),
    };
  },
});

const run = (script: string) => bench.start(scripted(script), { gatewayUrl: '' }).done;
const outputs = () => bench.events.filter(({ type }) => type === 'agent.output');

describe('a conversation with an agent', () => {
  it('bounds the input of an agent that does not read', async () => {
    const process = spawnPlain(['sleep', '60'], {}, bench.workspaceDir);
    const context = { token: 'rt_x', emit() {} } as unknown as AgentContext;
    const conversation = new Conversation({ context, process, interpret });
    const message = 'x'.repeat(INPUT_MAX_BYTES / 4);
    const sent = Array.from({ length: 8 }, () => conversation.send(message));
    expect(sent.filter(Boolean).length).toBeGreaterThanOrEqual(4);
    expect(sent.at(-1)).toBe(false);
    expect(process.stdin.writableLength).toBeLessThan(2 * INPUT_MAX_BYTES);
    conversation.stop('SIGKILL');
    await conversation.done;
  });

  it('survives a message of any shape', async () => {
    await run(`echo '{"odd":{"toString":1}}'; echo '{"done":"ok"}'`);
    expect(outputs().map(event => event.private!.text)).toEqual(['{"odd":{"toString":1}}']);
  });

  it('logs output beside the interface, with bytes that are not UTF-8', async () => {
    await run(`printf 'plain \\377\\n[1]\\n{"other":1}\\n{"said":"hello"}\\n{"done":"ok"}'`);
    expect(bench.types()).toEqual([...Array(3).fill('agent.output'), 'agent.message']);
    expect(outputs().map(event => event.private!.text)).toEqual([
      'plain \ufffd',
      '[1]',
      '{"other":1}',
    ]);
  });

  it('cuts a line that is too long and goes on with the next', async () => {
    const huge = `head -c ${LINE_MAX_BYTES + 10} /dev/zero | tr '\\0' x`;
    expect(await run(`${huge}; printf '\\n{"done":"ok"}\\n'`)).toMatchObject({ summary: 'ok' });
    expect(outputs()).toHaveLength(1);
    expect(outputs()[0]!.data.truncated).toBe(true);
    expect(outputs()[0]!.private!.text).toContain('[line cut: 10 bytes left out]');
  });

  it('parses no line of more objects and arrays than JSON may have', async () => {
    const many = `yes ',[]' | head -n 200000 | tr -d '\\n'`;
    await run(`printf '{"said":"x","a":[[]'; ${many}; printf ']}\\n{"done":"ok"}\\n'`);
    expect(bench.types()).toEqual(['agent.output']);
    expect(outputs()[0]!.data.truncated).toBe(true);
  });

  it('stops logging plain output at its bound, and logs that once', async () => {
    const lines = Math.ceil(PLAIN_OUTPUT_MAX_BYTES / 1000) + 50;
    const line = 'x'.repeat(1000);
    await run(`yes ${line} | head -n ${lines} >&2; echo '{"said":"still heard"}'`);
    const last = outputs().at(-1)!;
    expect(last.private!.text).toBe('[further plain output is not logged]');
    const bytes = outputs().reduce((sum, event) => sum + String(event.private!.text).length, 0);
    expect(bytes).toBeLessThan(PLAIN_OUTPUT_MAX_BYTES + 2000);
    expect(bench.find('agent.message')!.private!.text).toBe('still heard');
  });

  it('kills an agent that does not exit after its outcome', async () => {
    expect(await run(`echo '{"done":"ok"}'; sleep 60`)).toMatchObject({ kind: 'succeeded' });
  });

  it('ends with the agent, also where a grandchild holds its output open', async () => {
    const outcome = await run(`sleep 60 & echo '{"done":"ok"}'; exit 3`);
    expect(outcome).toEqual({ kind: 'succeeded', summary: 'ok' });
  });

  it('reports how an agent without output ended', async () => {
    expect(await run('kill -TERM $$')).toMatchObject({
      kind: 'failed',
      message: 'The agent ended by SIGTERM without a result.',
    });
    const missing = bench.start(
      { ...scripted(''), start: context => start(context) },
      { gatewayUrl: '' },
    );
    expect(await missing.done).toMatchObject({ kind: 'failed', reason: 'agent_error' });
  });
});

function start(context: Parameters<Agent['start']>[0]) {
  const process = context.spawn(['/no/such/program'], {});
  const conversation = new Conversation({ context, process, interpret });
  return { done: conversation.done, steer: async () => false, stop: () => {} };
}
