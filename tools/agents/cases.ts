import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent, AgentOutcome, AgentRun } from '../../packages/server/src/runs/agents/index.ts';
import type { Workbench } from '../../packages/server/src/runs/agents/testing/workbench.ts';
import type { Behaviour, OpenModels } from './models.ts';

/** What every agent must do, or bear. A case throws where it does not. */
export interface World {
  readonly agent: Agent;
  readonly bench: Workbench;
  readonly openModels: OpenModels;
}

/** For one turn of a real program on a busy machine. */
const TURN_TIMEOUT_MS = 90_000;
/** As a worker does it: the signal, the grace, the kill. */
const GRACE_MS = 5_000;
/** How long a program is watched that must not succeed by itself. */
const WATCH_MS = 3_000;
/** Nothing listens on the discard port. */
const NOBODY = 'http://127.0.0.1:9';

export const CASES: Readonly<Record<string, (world: World) => Promise<void>>> = {
  edit: async world => {
    const outcome = await turn(world, 'edit');
    assert.deepEqual(outcome, { kind: 'succeeded', summary: 'Changed hey to hello.' });
    assert.equal(greeting(world), 'hello you\n');
    assert.ok(world.bench.types().includes('tool.finished'), 'no tool in the log');
  },
  'follow-up with resume': async world => {
    await turn(world, 'edit');
    const resume = sessionOf(world);
    const instruction = 'What did you do?';
    const outcome = await turn(world, 'answer', { resume, instruction });
    assert.deepEqual(outcome, { kind: 'succeeded', summary: 'I remember.' });
  },
  cancel: world => stopped(world, 'hang', run => run.stop('SIGINT')),
  'hang, then killed': world => stopped(world, 'hang', (_, kill) => kill()),
  'model error': async world => {
    assertFailed(await turn(world, 'refuse'), 'agent_error');
  },
  'budget end': async world => {
    assertFailed(await turn(world, 'over-budget'), 'budget');
  },
  'refused connection': async world => {
    const run = world.bench.start(world.agent, { gatewayUrl: NOBODY });
    await Promise.race([run.done, delay(WATCH_MS)]);
    assertFailed(await stop(world, run, () => run.stop('SIGINT')));
  },
};

type Stop = (run: AgentRun, kill: () => void) => void;

async function stopped(world: World, behaviour: Behaviour, how: Stop): Promise<void> {
  const models = await world.openModels(behaviour);
  try {
    const run = world.bench.start(world.agent, { gatewayUrl: models.url, token: models.token });
    for (let waitedMs = 0; models.calls() === 0; waitedMs += 50) {
      assert.ok(waitedMs < TURN_TIMEOUT_MS, 'it never called the model');
      await delay(50);
    }
    assertFailed(await stop(world, run, () => how(run, () => killAll(world))));
  } finally {
    await models.close();
  }
}

async function stop(world: World, run: AgentRun, ask: () => void): Promise<AgentOutcome> {
  const killer = setTimeout(() => killAll(world), GRACE_MS);
  ask();
  try {
    return await within(run.done);
  } finally {
    clearTimeout(killer);
  }
}

async function turn(
  { agent, bench, openModels }: World,
  behaviour: Behaviour,
  context: { resume?: string; instruction?: string } = {},
): Promise<AgentOutcome> {
  const models = await openModels(behaviour);
  try {
    const gateway = { gatewayUrl: models.url, token: models.token };
    return await within(bench.start(agent, { ...gateway, ...context }).done);
  } finally {
    await models.close();
  }
}

function within<T>(promise: Promise<T>): Promise<T> {
  const late = delay(TURN_TIMEOUT_MS, undefined, { ref: false }).then(() => {
    throw new Error(`It did not end within ${TURN_TIMEOUT_MS / 1000} s.`);
  });
  return Promise.race([promise, late]);
}

function killAll({ bench }: World): void {
  for (const process of bench.processes) process.kill('SIGKILL');
}

function assertFailed(outcome: AgentOutcome, reason?: string): void {
  assert.equal(outcome.kind, 'failed', JSON.stringify(outcome));
  if (reason !== undefined) {
    assert.equal(outcome.kind === 'failed' && outcome.reason, reason, JSON.stringify(outcome));
  }
}

const greeting = ({ bench }: World) => readFileSync(join(bench.workspaceDir, 'greet.txt'), 'utf8');

function sessionOf({ bench }: World): string {
  const event = bench.find('agent.session');
  assert.ok(event, 'it never said its session');
  return event.data.session_id as string;
}
