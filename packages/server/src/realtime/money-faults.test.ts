/** The money of a session while the database is away, and after a refusal. */
import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { HoldfastError, systemClock } from '../kernel/index.ts';
import {
  createBudgets,
  createModels,
  createVoiceAccounts,
  defaultCatalogue,
} from '../models/index.ts';
import type { Database } from '../platform/database/index.ts';
import { Meter } from './meter.ts';
import { sessionIdOf, useBench } from './testing/bench.ts';
import { connectClient, eventually } from './testing/client.ts';

const bench = useBench();
const NOTHING = { text: 0, audio: 0, image: 0 };
const SPOKEN = { input: NOTHING, cached: NOTHING, output: { text: 0, audio: 1_000 }, seconds: 0 };
/** 1,000 tokens at 64 dollars a million. */
const SPOKEN_USD = 0.064;
const TURN = {
  inputTokens: 0,
  maxOutputTokens: 1_000,
  transcriptionModel: undefined,
  responses: 0,
};

let projects = 0;

/** A session in a project that has a budget once it is open. */
async function openSession(limitUsd: number) {
  const projectId = `faults${projects++}`;
  const caller = `Developer:ann:${projectId}`;
  const path = `${bench.host.wsUrl}/v1/realtime?model=gpt-realtime`;
  const client = await connectClient(path, { caller });
  const id = await sessionIdOf(client);
  const budgets = createBudgets({
    database: bench.database,
    audit: { record: async () => {} },
  });
  const root = { kind: 'user', id: 'root', name: 'root', role: 'Admin', projectId } as const;
  await budgets.put(root, { scope: 'project_month', limit_usd: limitUsd }, 'req_test');
  const spentUsd = async () => (await budgets.list(root))[0]!.spent_usd!;
  return { id, projectId, caller, client, spentUsd };
}

/** An account of a session that was open, on a database that can be taken away. */
async function openAccount(limitUsd: number) {
  const { id, projectId, client, spentUsd } = await openSession(limitUsd);
  client.socket.close(1000);
  await eventually(() => bench.host.realtime.registry.size === 0);
  const { database, host } = bench;
  const state = { away: false, lostAnswers: 0 };
  const gone = () => new HoldfastError('unavailable', 'The database is away.');
  const flaky = {
    async transaction(work: never) {
      if (state.away) throw gone();
      const answer = await database.transaction(work);
      if (state.lostAnswers-- > 0) throw gone();
      return answer;
    },
  } as unknown as Database;
  const accounts = createVoiceAccounts({
    database: flaky,
    telemetry: host.telemetry,
    clock: systemClock,
    models: createModels({
      catalogue: defaultCatalogue({ provider: 'openai', auth: 'none' }),
      credentials: { secret: async () => undefined },
    }),
  });
  const refusals: string[] = [];
  const session = { id, projectId, owner: 'ann', model: 'gpt-realtime', type: 'realtime' } as const;
  const { rows } = await sql<{ fence: number }>`
    select fence from subjects where id = ${id}`.execute(database.db);
  const lease = { subject: id, replica: 'rep_test', fence: rows[0]!.fence };
  const account = accounts.hold(session, lease, error => void refusals.push(error.code));
  const turned = async (responses = 0) => {
    account.turn({ ...TURN, responses });
    await account.reserving;
  };
  return { id, account, state, refusals, spentUsd, turned };
}

it('settles what it owes once the database is back, and ends no session for it', async () => {
  const { account, state, refusals, spentUsd, turned } = await openAccount(10);
  await turned();
  account.add(SPOKEN);
  state.away = true;
  await turned();
  expect(refusals).toEqual([]);
  state.away = false;
  expect(await spentUsd()).toBeCloseTo(SPOKEN_USD, 10);
  account.add(SPOKEN);
  await turned();
  expect(await spentUsd()).toBeCloseTo(3 * SPOKEN_USD, 10);
  await account.close();
  expect(await spentUsd()).toBeCloseTo(2 * SPOKEN_USD, 10);
});

const openReservations = async (id: string) => {
  const { rows } = await sql<{ usd: number }>`
    select reserved_usd as usd from reservations
    where session_id = ${id} and settled_at is null`.execute(bench.database.db);
  return rows.map(row => row.usd);
};

it.each([1, 2, 3, 4, 7])('charges once, though %i answers of the database are lost', async lost => {
  const { id, account, state, refusals, spentUsd, turned } = await openAccount(10);
  // The session has closed, so its first charge finds nothing reserved.
  account.add(SPOKEN);
  state.lostAnswers = lost;
  await turned();
  account.add(SPOKEN);
  await turned();
  account.add(SPOKEN);
  await turned();
  expect(refusals).toEqual([]);
  expect(await openReservations(id)).toEqual([SPOKEN_USD]);
  await account.close();
  expect(await spentUsd()).toBeCloseTo(3 * SPOKEN_USD, 10);
  expect(await openReservations(id)).toEqual([]);
});

it('leaves no response without a reservation, also where the next is refused', async () => {
  const { id, account, state, refusals, spentUsd, turned } = await openAccount(SPOKEN_USD);
  await turned();
  state.away = true;
  await turned(2);
  expect(await openReservations(id)).toEqual([SPOKEN_USD]);
  state.away = false;
  await turned(2);
  expect(refusals).toEqual(['budget_exceeded']);
  expect(await openReservations(id)).toEqual([2 * SPOKEN_USD]);
  account.addUnreported(3);
  await account.close();
  expect(await spentUsd()).toBeCloseTo(3 * SPOKEN_USD, 10);
});

it('writes nothing once another process has the session', async () => {
  const { id, account, refusals, spentUsd, turned } = await openAccount(10);
  await turned();
  account.add(SPOKEN);
  await sql`update subjects set fence = fence + 1 where id = ${id}`.execute(bench.database.db);
  await turned();
  account.add(SPOKEN);
  await account.close();
  expect(refusals).toEqual([]);
  expect(await openReservations(id)).toEqual([SPOKEN_USD]);
  expect(await spentUsd()).toBeCloseTo(SPOKEN_USD, 10);
});

it('settles also what was used after a refusal', async () => {
  const { id, account, refusals, spentUsd, turned } = await openAccount(SPOKEN_USD);
  await turned();
  account.add(SPOKEN);
  await turned();
  await turned();
  expect(refusals).toEqual(['budget_exceeded']);
  account.add(SPOKEN);
  await account.close();
  expect(await spentUsd()).toBeCloseTo(2 * SPOKEN_USD, 10);
  const { rows } = await sql<{ open: number }>`
    select count(*)::int as open from reservations
    where session_id = ${id} and settled_at is null`.execute(bench.database.db);
  expect(rows[0]).toEqual({ open: 0 });
});

it('ends a session whose transcription has no price, where a budget needs one', async () => {
  const { client, caller } = await openSession(10);
  const transcription = { model: 'my-whisper' };
  client.send({
    type: 'session.update',
    session: { type: 'realtime', audio: { input: { transcription, turn_detection: null } } },
  });
  await client.event('session.updated');
  const audio = Buffer.alloc(48_000).toString('base64');
  client.send({ type: 'input_audio_buffer.append', audio });
  client.send({ type: 'input_audio_buffer.commit' });
  expect(await client.closed).toEqual({ code: 1008, reason: 'budget' });
  expect(client.events.at(-1)).toMatchObject({
    type: 'error',
    error: { message: expect.stringContaining('my-whisper has no price in US dollars') },
  });
  await eventually(() => bench.host.realtime.registry.size === 0);
  const list = await bench.host.request('/v1/sessions', { caller });
  expect(await list.json()).toMatchObject({
    data: [{ cost: { usd: null, unpriced: ['my-whisper'] }, close_reason: 'budget_exceeded' }],
  });
});

it('reserves every response that is under way', () => {
  const turns: number[] = [];
  const meter = new Meter({
    model: 'm',
    isLimited: false,
    reserving: undefined,
    add: () => 0,
    addUnreported() {},
    turn: ({ responses }) => void turns.push(responses),
  });
  const begin = (id: string) => meter.read({ type: 'response.created', response: { id } });
  const end = (id: string) =>
    meter.read({ type: 'response.done', response: { id, usage: { output_tokens: 1 } } });
  begin('a');
  expect(turns).toEqual([]);
  begin('b');
  begin('c');
  end('b');
  end('a');
  end('c');
  expect(turns).toEqual([2, 3, 2, 1, 0]);
});
