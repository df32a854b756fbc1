import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentInfo, Role, Task } from '@holdfast/protocol';
import {
  type AuditRecord,
  createAuth,
  type Principal,
  type StreamTickets,
} from '../../auth/index.ts';
import { limitsOf } from '../../auth/testing/index.ts';
import { createHttpServer, type Guard } from '../../http/index.ts';
import { HoldfastError, systemClock } from '../../kernel/index.ts';
import { type BlobStore, openFilesystemBlobs } from '../../platform/blobs/index.ts';
import type { Database } from '../../platform/database/index.ts';
import type { TestDatabase } from '../../platform/database/testing.ts';
import { createProcessDoorbell } from '../../platform/doorbell/testing.ts';
import { createLeases, type Leases } from '../../platform/leases/index.ts';
import { createProcessRateLimiter } from '../../platform/limits/index.ts';
import { createLog, type Log } from '../../platform/log/index.ts';
import {
  type RecordedTelemetry,
  randomMasterKey,
  recordTelemetry,
} from '../../platform/log/testing.ts';
import { createPgBossQueue, type Queue } from '../../platform/queue/index.ts';
import { createSealer, type Sealer } from '../../platform/secrets/index.ts';
import { createWork, type Work } from '../../work/index.ts';
import type { StreamDeps, Streams } from '../../work/stream/index.ts';
import { type ClaimedRun, createRuns, RUN_KIND, type Runs, type RunsDeps } from '../index.ts';
import type { RunDriver } from '../run-driver.ts';
import type { Checkpoint } from '../workspace/index.ts';

/**
 * For tests: the feature behind a real HTTP server, on a real database, log and queue. The header
 * `x-caller` names the caller, as `role:id:project`. No worker takes jobs: tests claim runs through
 * the driver.
 */
export interface RunsHost {
  readonly url: string;
  readonly runs: Runs;
  readonly work: Work;
  readonly streams: Streams;
  readonly log: Log;
  readonly queue: Queue;
  readonly blobs: BlobStore;
  readonly sealer: Sealer;
  readonly leases: Leases;
  readonly database: Database;
  readonly telemetry: RecordedTelemetry;
  readonly deps: RunsDeps;
  /** The records of the audit log. */
  readonly audited: AuditRecord[];
  /** Set: the role of all callers from now on; null: no caller is authenticated. */
  readonly rights: { role: Role | null | undefined; fault?: HoldfastError | undefined };
  request(path: string, init?: RequestInit & { caller?: string }): Promise<Response>;
  /** Sends JSON; answers status and parsed body. */
  send(
    method: string,
    path: string,
    body?: unknown,
    options?: { caller?: string; headers?: Record<string, string> },
    // biome-ignore lint/suspicious/noExplicitAny: tests look at parsed JSON.
  ): Promise<{ status: number; body: Record<string, any> }>;
  /** A task on a repository of its own. */
  newTask(instruction?: string): Promise<Task>;
  /** Runs of one new task; answers their ids. */
  newRuns(...agents: string[]): Promise<string[]>;
  claim(id: string): Promise<ClaimedRun>;
  /** A second process on the same database, with ports of its own where they are given. */
  sibling(
    ports?: Partial<RunsDeps>,
  ): Promise<{ leases: Leases; runs: Runs; close(): Promise<void> }>;
  close(): Promise<void>;
}

export const CALLER = 'Developer:ann:default';

type StreamBounds = Partial<Pick<StreamDeps, 'recheckMs' | 'streamsMax' | 'sseLimits' | 'watch'>>;

export type RunsHostOptions = Partial<RunsDeps> & StreamBounds;

export async function openRunsHost(
  database: TestDatabase,
  overrides: RunsHostOptions = {},
): Promise<RunsHost> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-runs-'));
  const ports = await openPorts(database, dir);
  const auth = openAuth(ports);
  const audited: AuditRecord[] = [];
  const rights: RunsHost['rights'] = { role: undefined };
  const audit = { record: async (record: AuditRecord) => void audited.push(record) };
  const work = createWork({
    ...ports,
    audit,
    tickets: auth.streamTickets,
    watch: auth.watch,
    ...overrides,
  });
  work.kinds.add(RUN_KIND);
  await ports.queue.start(work.kinds.queues());
  const deps: RunsDeps = {
    ...ports,
    audit,
    streams: work.streams,
    agents: async () => ({ data: ['builtin', 'other'].map(agentInfo), isolation_note: null }),
    agentNames: ['builtin', 'other'],
    sources: { allowedHosts: ['git.test'], localMode: true },
    ...overrides,
  };
  const runs = createRuns(deps);
  const server = await createHttpServer<Principal>({
    guard: callerGuard(auth.streamTickets, rights),
    telemetry: ports.telemetry,
    api: { title: 'test', version: '1' },
    corsOrigins: [],
  });
  await server.app.register(work.routes);
  await server.app.register(runs.routes);
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${port}`;
  return {
    ...ports,
    ...clientOf(url, runs),
    url,
    runs,
    work,
    streams: work.streams,
    deps,
    audited,
    rights,
    sibling: ports => openSibling({ ...deps, ...ports }),
    async close() {
      await work.streams.drain();
      await server.close(0);
      await ports.queue.stop();
      await ports.leases.stop();
      await ports.telemetry.close();
      await rm(dir, { recursive: true });
    },
  };
}

async function openPorts(database: TestDatabase, dir: string) {
  const telemetry = await recordTelemetry();
  const doorbell = createProcessDoorbell();
  const sealer = createSealer({ database, masterKeys: randomMasterKey() });
  const log = createLog({ database, sealer, doorbell });
  const leases = createLeases({ database, revision: 'test', roles: ['api', 'worker'] });
  await leases.start();
  const queue = createPgBossQueue({ database, telemetry, connectionString: database.url });
  const blobs = await openFilesystemBlobs({
    dir: join(dir, 'blobs'),
    baseUrl: () => 'http://localhost',
    signingKey: new Uint8Array(32),
  });
  return { database, doorbell, telemetry, sealer, log, leases, queue, blobs };
}

function clientOf(
  url: string,
  runs: Runs,
): Pick<RunsHost, 'request' | 'send' | 'newTask' | 'newRuns' | 'claim'> {
  const request: RunsHost['request'] = (path, init = {}) =>
    fetch(url + path, {
      ...init,
      headers: { 'x-caller': init.caller ?? CALLER, ...(init.headers as Record<string, string>) },
    });
  const send: RunsHost['send'] = async (method, path, body, { caller, headers } = {}) => {
    const answer = await request(path, {
      method,
      ...(caller !== undefined && { caller }),
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? {} : JSON.parse(text) };
  };
  const newTask: RunsHost['newTask'] = async (instruction = 'Do it.') => {
    const repo = await send('POST', '/v1/repos', { url: 'https://git.test/team/app.git' });
    const task = { repo_id: repo.body.id, title: 'A task', instruction };
    return (await send('POST', '/v1/tasks', task)).body as Task;
  };
  return {
    request,
    send,
    newTask,
    async newRuns(...agents) {
      const { id } = await newTask();
      const { body } = await send('POST', `/v1/tasks/${id}/runs`, { agents });
      return body.runs.map((run: { id: string }) => run.id);
    },
    async claim(id) {
      const claimed = await runs.driver.claim(id);
      if (claimed.kind !== 'claimed') throw new Error(`The run is ${claimed.kind}.`);
      return claimed.run;
    },
  };
}

/** The driver with some of its verbs replaced. */
export function driverWith(driver: RunDriver, verbs: Partial<RunDriver>): RunDriver {
  return Object.assign(Object.create(driver) as RunDriver, verbs);
}

/** A checkpoint whose blobs need not be there. */
export function checkpointOf(runId: string, number: number, commit: string): Checkpoint {
  return {
    number,
    commit,
    headCommit: commit,
    indexTree: commit,
    baseCommit: commit,
    packKey: null,
    homeKey: `workspaces/${runId}/${number}/x/home.tar.gz`,
    manifestKey: `workspaces/${runId}/${number}/x/manifest.json`,
    sizeBytes: 10,
  };
}

async function openSibling(deps: RunsDeps) {
  const { database } = deps;
  const leases = createLeases({ database, revision: 'test', roles: ['worker'] });
  await leases.start();
  const runs = createRuns({ ...deps, leases });
  return { leases, runs, close: () => leases.stop() };
}

function agentInfo(name: string): AgentInfo {
  return {
    name,
    title: name,
    available: true,
    version: '1',
    wanted_version: '1',
    install: null,
    steerable: true,
    resumable: true,
    isolated: true,
  };
}

/** The real issuer of tickets; a header names all other callers. */
function openAuth(ports: Awaited<ReturnType<typeof openPorts>>) {
  return createAuth(
    { ...ports, limiter: createProcessRateLimiter(), clock: systemClock },
    {
      oidc: null,
      adminLinkToken: null,
      host: '127.0.0.1',
      publicUrl: null,
      tls: false,
      corsOrigins: [],
      limits: limitsOf({ perMinute: 60, burst: 10 }),
      projects: [],
      keyMaxDays: null,
    },
  );
}

function callerGuard(tickets: StreamTickets, rights: RunsHost['rights']): Guard<Principal> {
  return {
    checkRoute: () => {},
    refused: () => {},
    async authenticate(request) {
      const ticket = request.query.get('ticket');
      if (ticket !== null) {
        const holder = await tickets.verify(ticket);
        if (holder === undefined) throw new HoldfastError('unauthenticated', 'No.');
        return holder;
      }
      if (rights.fault !== undefined) throw rights.fault;
      if (rights.role === null) throw new HoldfastError('unauthenticated', 'No.');
      const caller = String(request.headers['x-caller'] ?? CALLER).split(':');
      const [role = 'Developer', id = 'ann', projectId = 'default'] = caller;
      return { kind: 'user', id, name: id, projectId, role: rights.role ?? (role as Role) };
    },
  };
}
