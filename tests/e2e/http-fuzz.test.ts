/**
 * Generated requests over every HTTP route of the running server: `FUZZ_REQUESTS` of them (4,000;
 * `npm run test:all`: 20,000), from a seed that is printed and taken from `SEED`. Each answer is
 * judged by itself; afterwards the log, the database, the blobs and the spool are.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RouteInfo } from '../../packages/server/src/http/index.ts';
import { listRoutes } from './harness/application.ts';
import { FuzzClient } from './harness/fuzz/client.ts';
import { discoverKnown } from './harness/fuzz/known.ts';
import type { Known } from './harness/fuzz/known-things.ts';
import { orphans } from './harness/fuzz/orphans.ts';
import { type FuzzRequest, plainRequests, wrongRequest } from './harness/fuzz/requests.ts';
import { makeSite, type Site } from './harness/fuzz/site.ts';
import { faultIn } from './harness/fuzz/verdict.ts';
import { type InspectedServer, startInspectedServer } from './harness/inspected-server.ts';

const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 4_000);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000_007);
/** Much more than they take, for machines that are busy with something else. */
const TIMEOUT_MS = 600_000;
const CONNECTIONS = 16;
const BATCH = 200;
const SHOWN_FAULTS = 20;
/** These need an identity provider, or answer by redirect to one. */
const CLOSED_HERE = ['GET /auth/login', 'GET /auth/callback', 'POST /auth/backchannel-logout'];
/** No telephone call comes in here, and no webhook secret is set. */
const NOTHING_RINGS = [
  ...['/v1/realtime', '/openai/v1/realtime'].flatMap(base =>
    ['accept', 'refer', 'reject'].map(verb => `POST ${base}/calls/:id/${verb}`),
  ),
  'POST /v1/realtime/webhook',
];
/** Its runs never worked, so there is no branch to push. */
const NOTHING_TO_PUSH = 'POST /v1/runs/:id/push';

let site: Site;
let server: InspectedServer;
let routes: readonly RouteInfo[];
let known: Known;
beforeAll(async () => {
  site = await makeSite();
  server = await startInspectedServer({
    HOLDFAST_CONSOLE_DIR: site.folder,
    // One for each route that opens a session.
    HOLDFAST_MAX_ACTIVE_SESSIONS: '50',
    // No worker: the runs that requests start stay queued.
    HOLDFAST_ROLES: 'api,gateway',
  });
  const all = await listRoutes(server.env);
  routes = all.filter(({ method }) => method !== 'WS' && method !== 'OPTIONS');
  known = await discoverKnown(server, site.repository);
});
afterAll(async () => {
  await server?.stop();
  await site?.remove();
});

/** The seeded requests, made as they are needed. */
function* generated(count: number): Generator<FuzzRequest> {
  const arbitrary = wrongRequest(routes, known);
  for (let made = 0; made < count; made += BATCH) {
    const numRuns = Math.min(BATCH, count - made);
    yield* fc.sample(arbitrary, { numRuns, seed: SEED + made });
  }
}

interface Tally {
  /** Statuses by the route a request was made for. */
  readonly statuses: Map<string, Map<number, number>>;
  /** The first example of each kind of fault on each route. */
  readonly faults: Map<string, string>;
}

async function sendAll(requests: Iterable<FuzzRequest>): Promise<Tally> {
  const client = new FuzzClient(Number(new URL(server.url).port), CONNECTIONS);
  const tally: Tally = { statuses: new Map(), faults: new Map() };
  const queue = Iterator.from(requests);
  const work = async () => {
    for (const request of queue) {
      const answer = await client.send(request);
      const counts = tally.statuses.get(request.route) ?? new Map<number, number>();
      tally.statuses.set(request.route, counts);
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      const fault = faultIn(request, answer);
      const kind = `${request.route}: ${fault}`;
      if (fault && tally.faults.size < SHOWN_FAULTS && !tally.faults.has(kind)) {
        tally.faults.set(kind, `${describeRequest(request)}\n  → ${describeAnswer(answer)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
  client.close();
  return tally;
}

function describeRequest({ method, path, headers, body, raw }: FuzzRequest): string {
  const bytes = raw ?? body;
  const shown = bytes === undefined ? '' : JSON.stringify(bytes.subarray(0, 600).toString());
  return `${method} ${path.slice(0, 300)} ${JSON.stringify(headers).slice(0, 500)} ${shown}`;
}

function describeAnswer(answer: { status: number; body: string; headers: object }): string {
  return `${answer.status} ${answer.body.slice(0, 300)} (${Object.keys(answer.headers).join()})`;
}

describe('every HTTP route', () => {
  it('answers a plain request', async () => {
    const { statuses, faults } = await sendAll(plainRequests(routes, known));
    expect(Object.fromEntries(faults)).toEqual({});
    const refused = [...statuses].filter(([, counts]) => [...counts.keys()].some(s => s >= 400));
    expect(refused.map(([route]) => route).toSorted()).toEqual(
      [...CLOSED_HERE, ...NOTHING_RINGS, NOTHING_TO_PUSH, 'GET /auth/local'].toSorted(),
    );
  });

  it(`survives ${REQUESTS} generated requests (SEED=${SEED})`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    console.log(`http fuzz: SEED=${SEED}`);
    const startedMs = performance.now();
    const { statuses, faults } = await sendAll(generated(REQUESTS));
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    console.log(`http fuzz: ${REQUESTS} requests in ${seconds} s\n${table(statuses)}`);
    expect(Object.fromEntries(faults)).toEqual({});
    if (REQUESTS >= 4_000) expect(statuses.size).toBe(routes.length + 1);
  });
});

function table(statuses: Tally['statuses']): string {
  const total = new Map<number, number>();
  for (const counts of statuses.values()) {
    for (const [status, count] of counts) total.set(status, (total.get(status) ?? 0) + count);
  }
  return [...total]
    .toSorted(([a], [b]) => a - b)
    .map(([status, count]) => `${status}: ${count}`)
    .join(', ');
}

describe('afterwards', () => {
  it('the server is healthy, and its log explains every failure', async () => {
    expect(server.process.child.exitCode).toBeNull();
    const crashed = server.log.text().match(/process\.crashed|Unhandled|triggerUncaught/g);
    expect(crashed).toBeNull();
    const failures = server.log.find(({ level }) => level === 'error' || level === 'fatal');
    const isUpstreams = ({ event, code }: Record<string, unknown>) =>
      event === 'bridge.failed' || (event === 'http.failed' && /^upstream_/.test(String(code)));
    expect(failures.filter(line => !isUpstreams(line)).slice(0, SHOWN_FAULTS)).toEqual([]);
    const health = async () => (await fetch(`${server.url}/health`)).json();
    await expect.poll(health).toMatchObject({ status: 'healthy' });
  });

  it('no row, blob or file is left without an owner', async () => {
    const active = `${server.url}/v1/sessions?active=true`;
    const { data } = (await (await fetch(active)).json()) as { data: { id: string }[] };
    for (const { id } of data) {
      await fetch(`${server.url}/v1/sessions/${id}/end`, { method: 'POST' });
    }
    await expect.poll(() => orphans(server), { timeout: 30_000 }).toEqual([]);
  });

  it('the server stops in order', async () => {
    expect(await server.process.stop()).toBe(0);
  });
});
