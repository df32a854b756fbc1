import { describe, expect, it, vi } from 'vitest';
import type { ToolTurn } from './conversation.ts';
import { TOOL_OUTPUT_MAX_CHARS, type ToolHandler, ToolRunner } from './tools.ts';

function runner(handlers: Record<string, ToolHandler>, timeoutMs?: number) {
  const sent: { item: { call_id: string; output: string } }[] = [];
  const turns: ToolTurn[] = [];
  const counts: number[] = [];
  const returned = vi.fn();
  const tools = new ToolRunner(
    {
      send: event => sent.push(event as (typeof sent)[number]),
      onTurn: (_, turn) => turns.push(turn),
      onRunning: count => counts.push(count),
      onReturned: returned,
    },
    timeoutMs,
  );
  for (const [name, handler] of Object.entries(handlers)) tools.register(name, handler);
  const call = (callId: string, name: string, args = '{}') => ({
    id: `item_${callId}`,
    type: 'function_call',
    name,
    call_id: callId,
    arguments: args,
  });
  const respond = (...output: object[]) => {
    for (const item of output) {
      tools.apply({ type: 'response.output_item.done', response_id: 'r1', item });
    }
    tools.apply({ type: 'response.done', response: { id: 'r1', output } });
  };
  return { tools, sent, turns, counts, returned, call, respond };
}

describe('ToolRunner', () => {
  it('runs every call of an answer once, sends each output, and asks to go on once', async () => {
    const add = vi.fn(({ a, b }: Record<string, unknown>) => Number(a) + Number(b));
    const t = runner({ add });
    t.respond(t.call('c1', 'add', '{"a":1,"b":2}'), t.call('c2', 'add', '{"a":3,"b":4}'));
    await vi.waitFor(() => expect(t.returned).toHaveBeenCalledOnce());
    expect(add).toHaveBeenCalledTimes(2);
    expect(t.sent.map(event => [event.item.call_id, event.item.output])).toEqual([
      ['c1', '3'],
      ['c2', '7'],
    ]);
    expect(t.counts.at(-1)).toBe(0);
  });

  it('reports the error of a tool to the model as its output', async () => {
    const t = runner({
      broken: () => {
        throw new Error('No paint left.');
      },
    });
    t.respond(t.call('c1', 'broken'), t.call('c2', 'unknown'), t.call('c3', 'broken', '[1]'));
    await vi.waitFor(() => expect(t.returned).toHaveBeenCalled());
    expect(t.sent.map(event => JSON.parse(event.item.output).error).sort()).toEqual([
      'No paint left.',
      'The arguments are not a JSON object.',
      'There is no tool "unknown" here.',
    ]);
    expect(t.turns.filter(turn => turn.status === 'failed')).toHaveLength(3);
  });

  it('answers for a tool that never returns', async () => {
    const t = runner({ slow: () => new Promise(() => undefined) }, 10);
    t.respond(t.call('c1', 'slow'));
    await vi.waitFor(() => expect(t.returned).toHaveBeenCalled());
    expect(t.sent[0]?.item.output).toContain('too long');
  });

  it('cuts an output at its limit', async () => {
    const t = runner({ big: () => 'x'.repeat(TOOL_OUTPUT_MAX_CHARS) });
    t.respond(t.call('c1', 'big'));
    await vi.waitFor(() => expect(t.returned).toHaveBeenCalled());
    expect(t.sent[0]?.item.output).toMatch(/… \(cut\)$/);
    expect(t.sent[0]?.item.output.length).toBeLessThan(TOOL_OUTPUT_MAX_CHARS + 20);
  });

  it('requests nothing after an answer without calls, and refuses a removed tool', async () => {
    const t = runner({});
    t.respond({ id: 'm', type: 'message' });
    expect(t.returned).not.toHaveBeenCalled();
    t.tools.register('f', () => 1)();
    t.respond(t.call('c1', 'f', ''));
    await vi.waitFor(() => expect(t.sent[0]?.item.output).toContain('no tool'));
  });
});
