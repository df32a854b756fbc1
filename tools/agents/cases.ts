import assert from 'node:assert/strict';
import type { Run, RunReason } from '@holdfast/protocol';
import type { Ended, World } from './world.ts';

/**
 * What every agent must do or withstand. A case throws where an agent fails, and may answer a
 * note. Cases run one after the other, because budgets are the project's; the agents of one
 * case work side by side.
 */
export interface Case {
  readonly name: string;
  before?(world: World): Promise<void>;
  run(world: World, agent: string): Promise<string | undefined>;
  after?(world: World): Promise<void>;
}

/** How long an agent may go on trying before it is canceled. */
const PATIENCE_MS = 60_000;
/** Less than the worst case of any call. */
const TINY_USD = 0.0001;
const MESSAGE_MAX_CHARS = 120;
const MEND = 'Mend the failing test.';
const MENDED = /^\+ {2}return a \+ b;$/m;
const LONG_WORK = '[[simulate: steps 12]] [[simulate: slow 300]]';

export const CASES: readonly Case[] = [
  {
    name: 'edit, then follow-up with resume',
    async run({ host }, agent) {
      const first = await host.finish(agent, MEND);
      assertSucceeded(first);
      const { run } = first;
      assert.ok(run.isolated, 'it was not isolated');
      assert.deepEqual(
        run.files_changed.map(({ path }) => path),
        ['sum.js'],
      );
      assert.equal(run.tests.before?.exit_code, 1);
      assert.equal(run.tests.after?.exit_code, 0);
      assert.match(await host.api.patch(run.id), MENDED);
      assert.ok(run.usage.calls > 0 && Number(run.cost_usd) > 0, 'no call was counted');
      const body = { agents: [agent], instruction: '[[simulate: recall]]', continues: run.id };
      const { runs } = await host.api.post<{ runs: { id: string }[] }>(
        `/v1/tasks/${run.task_id}/runs`,
        body,
      );
      const second = await host.ended(runs[0]!.id);
      assertSucceeded(second);
      assert.match(second.run.summary ?? '', /Mend the failing test/);
      assert.equal(sessionOf(second), sessionOf(first), 'another session');
      return undefined;
    },
  },
  {
    name: 'cancel',
    async run({ host }, agent) {
      const instruction = '[[simulate: steps 100]] [[simulate: slow 300]] Write notes.';
      const { id } = await host.start(agent, instruction);
      await host.api.until(id, 'tool.finished');
      await host.api.post(`/v1/runs/${id}/cancel`);
      const { run } = await host.ended(id);
      assert.equal(run.status, 'canceled', JSON.stringify(run));
      assert.match(await host.api.patch(id), /^\+Step 1\.$/m);
      return undefined;
    },
  },
  {
    name: 'message while it works',
    async run({ host }, agent) {
      const { id, task_id } = await host.start(agent, `${LONG_WORK} Write notes.`);
      await host.api.until(id, 'tool.finished');
      await host.api.post(`/v1/tasks/${task_id}/messages`, { instruction: MEND });
      const ended = await host.ended(id);
      assertSucceeded(ended);
      const steered = ended.events.some(({ type }) => type === 'message.steered');
      const { steerable } = (await host.agents()).find(({ name }) => name === agent)!;
      assert.equal(steered, steerable, 'the agent was steered, or not, against its `steerable`');
      const { data } = await host.api.get<{ data: Run[] }>(`/v1/tasks/${task_id}/runs`);
      const last = await host.ended(data[0]!.id);
      assertSucceeded(last);
      assert.equal(last.run.continues, steerable ? null : id);
      assert.match(await host.api.patch(last.run.id), MENDED);
      return steerable ? 'taken in' : 'done by a run after it';
    },
  },
  {
    name: 'model error, refused',
    async run({ host }, agent) {
      return assertFailed(
        await host.finish(agent, '[[simulate: error 400]] Do it.'),
        'agent_error',
      );
    },
  },
  {
    name: 'model error, tried again',
    async run({ host }, agent) {
      const { id } = await host.start(agent, '[[simulate: error 500]] Do it.');
      return failsOrIsCanceled(host, id);
    },
  },
  {
    name: 'hang',
    async run({ host }, agent) {
      return assertFailed(await host.finish(agent, '[[simulate: hang]] Do it.'), 'no_output');
    },
  },
  {
    name: 'refused connection',
    async run({ deserted }, agent) {
      const { id } = await deserted.start(agent, 'Do it.');
      return failsOrIsCanceled(deserted, id);
    },
  },
  {
    name: 'budget end',
    before: ({ host }) => host.limitRuns(TINY_USD),
    async run({ host }, agent) {
      return assertFailed(await host.finish(agent, MEND), 'budget');
    },
    after: ({ host }) => host.limitRuns(null),
  },
];

/** Agents may retry for minutes, but none may report success. */
async function failsOrIsCanceled(host: World['host'], id: string): Promise<string> {
  const startedMs = performance.now();
  const timer = setTimeout(() => void host.api.post(`/v1/runs/${id}/cancel`), PATIENCE_MS);
  const ended = await host.ended(id).finally(() => clearTimeout(timer));
  const after = `after ${Math.round((performance.now() - startedMs) / 1000)} s`;
  if (ended.run.status === 'canceled') return `tried again until it was canceled ${after}`;
  assert.equal(ended.run.status, 'failed', JSON.stringify(ended.run));
  return `gave up ${after}: ${messageOf(ended)}`;
}

function assertSucceeded({ run, events }: Ended): void {
  assert.equal(run.status, 'succeeded', `${run.reason}: ${JSON.stringify(events.at(-1)?.data)}`);
}

function assertFailed(ended: Ended, reason: RunReason): string {
  const { run } = ended;
  assert.deepEqual([run.status, run.reason], ['failed', reason], messageOf(ended));
  return messageOf(ended);
}

/** The first words of the message of the ending. */
function messageOf({ events }: Ended): string {
  const { message } = events.at(-1)!.data as { message?: string };
  return (message ?? '').replaceAll(/\s+/g, ' ').slice(0, MESSAGE_MAX_CHARS);
}

function sessionOf({ events }: Ended): unknown {
  const event = events.find(({ type }) => type === 'agent.session');
  assert.ok(event, 'it never said its session');
  return event.data.session_id;
}
