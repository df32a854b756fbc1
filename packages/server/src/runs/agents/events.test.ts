import { describe, expect, it } from 'vitest';
import { checkEvent } from '../../platform/log/index.ts';
import { TEXT_MAX_BYTES } from '../../work/index.ts';
import { interpret as interpretClaude } from './claude/events.ts';
import { CodexEvents } from './codex/events.ts';
import { MASK, mask } from './conversation.ts';
import {
  agentMessage,
  agentOutput,
  agentPlan,
  failed,
  toolFinished,
  toolStarted,
} from './events.ts';
import { GeminiInterpreter } from './gemini/events.ts';
import { isSessionId, PLAN_ITEMS_MAX, planItems, word } from './text.ts';

/** What throws where it is made a string. */
const UNSAYABLE = { toString: 1 };
const METHODS = [
  'warning',
  'item/started',
  'item/completed',
  'turn/plan/updated',
  'error',
  'turn/completed',
];
const OF_PLAN = { method: 'turn/plan/updated', isOwn: true };
const HUGE = '\u0001€"\\'.repeat(50_000);

describe('events of agents', () => {
  it('fit into the log for any output of the agent', () => {
    const todos = Array.from({ length: 500 }, () => ({ content: HUGE }));
    const items = planItems(todos, ({ content }) => ({ text: content, status: 'pending' }));
    expect(items).toHaveLength(PLAN_ITEMS_MAX);
    const events = [
      agentMessage(HUGE)!,
      agentOutput('stdout', HUGE),
      toolStarted({ id: HUGE, name: HUGE, input: { HUGE } }),
      toolFinished({ id: HUGE, ok: true, output: HUGE, exitCode: 'x' }),
      agentPlan(items),
    ];
    for (const event of events) expect(() => checkEvent(event)).not.toThrow();
    expect(JSON.stringify(agentMessage(HUGE)!.private!.text).length).toBeLessThanOrEqual(
      TEXT_MAX_BYTES,
    );
    expect(events[1]!.data.truncated).toBe(true);
  });

  it('hold no public text that the database refuses', () => {
    expect(word('a\0b\ud800')).toBe('ab\ufffd');
    expect(word(`${'x'.repeat(199)}😀`)).toBe(`${'x'.repeat(199)}\ufffd`);
  });

  it.each([
    null,
    7,
    [],
    {},
    { type: 'x' },
    { type: 'assistant' },
    { type: 'assistant', message: 1 },
    { type: UNSAYABLE, id: UNSAYABLE, message: UNSAYABLE, changes: [UNSAYABLE] },
  ])('are not made of malformed input: %j', nonsense => {
    const message = nonsense as Record<string, unknown>;
    const shapes = [message, { item: message, error: message, turn: message }, { type: 'result' }];
    const gemini = new GeminiInterpreter();
    const codex = new CodexEvents();
    const takeAll = (params: Record<string, unknown>) => ({
      events: METHODS.flatMap(method => codex.take({ method, params, isOwn: true }).events ?? []),
    });
    for (const shape of shapes.filter(shape => shape !== null)) {
      for (const interpret of [interpretClaude, takeAll, gemini.interpret.bind(gemini)]) {
        for (const event of interpret(shape)?.events ?? []) if (event) checkEvent(event);
      }
    }
  });

  it('show the plan of Codex', () => {
    const steps = [
      { step: 'Look', status: 'completed' },
      { step: 'Edit', status: 'inProgress' },
      { step: 'Test', status: 'pending' },
    ];
    expect(new CodexEvents().take({ ...OF_PLAN, params: { plan: steps } }).events).toEqual([
      {
        type: 'agent.plan',
        data: { pending: 1, active: 1, done: 1 },
        private: {
          items: [
            { text: 'Look', status: 'done' },
            { text: 'Edit', status: 'active' },
            { text: 'Test', status: 'pending' },
          ],
        },
      },
    ]);
  });

  it('wait for the last of several results of Claude Code', () => {
    const result = { type: 'result', subtype: 'success', is_error: false, result: 'One.' };
    expect(interpretClaude({ ...result, queued_turn_count: 1 })).toEqual({});
    expect(interpretClaude(result)?.outcome).toEqual({ kind: 'succeeded', summary: 'One.' });
    const limit = { type: 'result', subtype: 'error_max_turns', is_error: true };
    expect(interpretClaude(limit)?.outcome).toMatchObject({ message: 'error_max_turns' });
  });

  it('distinguish a budget from other failures', () => {
    expect(failed('403: over the Budget of the project')).toMatchObject({ reason: 'budget' });
    expect(failed('rebudget')).toMatchObject({ reason: 'agent_error' });
    expect(failed(undefined)).toMatchObject({ message: 'The agent failed without a reason.' });
  });
});

describe('masking', () => {
  it('replaces whole secrets, the longer first, and leaves short strings alone', () => {
    const secrets = ['password', 'password-and-more', 'abc', ''];
    expect(mask('password-and-more password abc', secrets)).toBe(`${MASK} ${MASK} abc`);
  });
});

describe('what an agent may resume by', () => {
  it.each(['s1', '0198c2d1-7e1c-7b30-b6f5-2f0c6d3c9f11', 'a.b:c_d'])('is %s', id => {
    expect(isSessionId(id)).toBe(true);
  });

  it.each(['', '--yolo', '-c', 'a b', 'a\nb', '../x', 'x'.repeat(201), 7, null])(
    'is not %j',
    id => {
      expect(isSessionId(id)).toBe(false);
    },
  );
});
