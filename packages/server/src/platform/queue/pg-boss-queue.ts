import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { fromKysely, PgBoss } from 'pg-boss';
import { endsWithin, HoldfastError, toHoldfastError } from '../../kernel/index.ts';
import type { Database } from '../database/index.ts';
import type { Telemetry } from '../telemetry/index.ts';
import { countJobs, listDead } from './jobs.ts';
import type { Job, Queue, QueueDefinition } from './queue.ts';

export interface PgBossQueueOptions {
  readonly database: Database;
  readonly telemetry: Pick<Telemetry, 'log' | 'meter'>;
  /** The database's address, a secret: pg-boss opens connections of its own. */
  readonly connectionString: string;
  /** Seconds between searches for jobs whose worker died. Default 2. */
  readonly monitorIntervalS?: number;
  /** How often a failing job is retried. Default `JOB_RETRIES_MAX`. */
  readonly retriesMax?: number;
  /** Seconds before the first of them; it doubles each time. Default 1. */
  readonly retryDelayS?: number;
}

/** A job is taken from a worker whose heartbeat is older than this; pg-boss's minimum. */
const JOB_HEARTBEAT_S = 10;
const JOB_RETRIES_MAX = 8;
const RETRY_DELAY_MAX_S = 60;
/** Longer than any run may take. */
const JOB_EXPIRES_S = 2 * 3600;
const KEEP_WAITING_S = 14 * 24 * 3600;
const KEEP_DONE_S = 3600;
const POOL_MAX = 4;
const MONITOR_INTERVAL_S = 2;
const POLL_S = 2;
// Retries and redriven jobs come without a notification.
const POLL_WITH_NOTIFY_S = 2;
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 5_000;
/** Bounds the statements with which pg-boss ends after that. */
const STOP_SPARE_MS = 1_000;
/** A server that does not answer within this time counts as lost. */
const ANSWER_TIMEOUT_MS = 60_000;
const SCHEMA = 'pgboss';
const NO_JOB = '00000000-0000-0000-0000-000000000000';

const deadOf = (queue: string) => `${queue}-dead`;

/**
 * pg-boss 12 behind the port. Every job has a key, because the queues' policy `short` lets one job
 * of a key wait at a time; jobs without one get a key of their own.
 */
export function createPgBossQueue(options: PgBossQueueOptions): Queue {
  const boss = new PgBoss(bossOptions(options));
  const { log } = options.telemetry;
  let isStopped = false;
  boss.on('error', error => {
    // The connections of its ended pool may report the database's own end.
    if (!isStopped) log.warn('queue.failed', { error });
  });
  boss.on('warning', warning => log.warn('queue.warning', { message: warning.message }));
  const { db } = options.database;
  /** By started queue, the names its jobs are stored under: its own, and a former one in use. */
  const names = new Map<string, readonly string[]>();
  const namesOf = (name: string) => names.get(name) ?? [name];
  const queue: Queue = {
    adapter: 'pg-boss',
    async send(trx, name, data, { startAfterS, singletonKey } = {}) {
      await boss.send(name, data, {
        db: fromKysely(trx),
        singletonKey: singletonKey ?? randomUUID(),
        ...(startAfterS !== undefined && { startAfter: startAfterS }),
      });
    },
    async work(name, { concurrency }, handler) {
      const stops: (() => Promise<void>)[] = [];
      const stopAll = async () => void (await Promise.all(stops.map(stop => stop())));
      try {
        for (const one of namesOf(name)) {
          // Under a former name few jobs arrive, and for a while only: one at a time is enough.
          const atOnce = one === name ? concurrency : 1;
          stops.push(await work({ boss, log }, one, atOnce, handler));
        }
      } catch (error) {
        await stopAll();
        throw error;
      }
      return stopAll;
    },
    depth: () => countJobs(db, names, deadOf),
    deadLetters: (name, query) => listDead(db, namesOf(name).map(deadOf), query),
    async redrive(name, jobIds) {
      let moved = 0;
      if (jobIds.length === 0) return moved;
      for (const one of namesOf(name)) {
        moved += await boss.redrive(deadOf(one), { ids: [...jobIds], destination: name });
      }
      return moved;
    },
    async start(queues) {
      isStopped = false;
      await startBoss(boss, queues, options);
      for (const { name, formerName } of queues) {
        const former = formerName === undefined ? null : await boss.getQueue(formerName);
        names.set(name, former === null ? [name] : [name, former.name]);
      }
    },
    async stop() {
      names.clear();
      const stopped = boss.stop({ graceful: true, timeout: STOP_TIMEOUT_MS });
      if (await endsWithin(stopped, STOP_TIMEOUT_MS + STOP_SPARE_MS)) {
        isStopped = true;
        return;
      }
      log.warn('queue.not_stopped');
    },
  };
  observeDepth(options.telemetry, () => queue.depth());
  return queue;
}

function bossOptions({ connectionString, monitorIntervalS }: PgBossQueueOptions) {
  const every = monitorIntervalS ?? MONITOR_INTERVAL_S;
  return {
    schema: SCHEMA,
    schedule: false,
    useListenNotify: true,
    superviseIntervalSeconds: every,
    monitorIntervalSeconds: every,
    connectionString,
    max: POOL_MAX,
    application_name: 'holdfast-queue',
    // Without it node-postgres waits for ever for a server that went silent.
    query_timeout: ANSWER_TIMEOUT_MS,
  };
}

/** Of two processes that start at once, the second waits while the first makes the tables. */
async function startBoss(
  boss: PgBoss,
  queues: readonly QueueDefinition[],
  options: PgBossQueueOptions,
): Promise<void> {
  const { database } = options;
  const start = async () => {
    await boss.start();
    for (const { name } of queues) await makeQueue(boss, name, options);
  };
  try {
    await database.transaction(
      async trx => {
        await sql`select pg_advisory_xact_lock(hashtextextended('holdfast-queue', 0))`.execute(trx);
        await start();
      },
      { timeoutMs: START_TIMEOUT_MS },
    );
  } catch (cause) {
    await boss.stop({ graceful: false }).catch(() => {});
    if (cause instanceof HoldfastError) throw cause;
    throw new HoldfastError('unavailable', 'The queue cannot be started.', { cause });
  }
}

async function makeQueue(
  boss: PgBoss,
  name: string,
  { retriesMax = JOB_RETRIES_MAX, retryDelayS = 1 }: PgBossQueueOptions,
): Promise<void> {
  const dead = deadOf(name);
  await boss.createQueue(dead, {
    retentionSeconds: KEEP_WAITING_S,
    deleteAfterSeconds: KEEP_DONE_S,
  });
  const settings = {
    deadLetter: dead,
    notify: true,
    heartbeatSeconds: JOB_HEARTBEAT_S,
    expireInSeconds: JOB_EXPIRES_S,
    retentionSeconds: KEEP_WAITING_S,
    deleteAfterSeconds: KEEP_DONE_S,
    retryLimit: retriesMax,
    retryDelay: retryDelayS,
    retryBackoff: true,
    retryDelayMax: RETRY_DELAY_MAX_S,
  };
  await boss.createQueue(name, { ...settings, policy: 'short' });
  // Creating a queue that exists leaves its old settings.
  await boss.updateQueue(name, settings);
  // A cold cache is filled on a connection of pg-boss's own, while the transaction that sends a job
  // keeps its connection and its locks.
  for (const warmed of [name, dead]) await boss.findJobs(warmed, { id: NO_JOB });
}

async function work(
  { boss, log }: { readonly boss: PgBoss; readonly log: Telemetry['log'] },
  name: string,
  concurrency: number,
  handler: (job: Job, signal: AbortSignal) => Promise<void>,
): Promise<() => Promise<void>> {
  const draining = new AbortController();
  const underWay = new Set<Promise<void>>();
  const id = await boss.work<Record<string, string>>(
    name,
    {
      batchSize: 1,
      localConcurrency: concurrency,
      pollingIntervalSeconds: POLL_S,
      notifyPollingIntervalSeconds: POLL_WITH_NOTIFY_S,
    },
    async ([job]) => {
      if (job === undefined) return;
      const { id, data, retryCount: retries } = job;
      // Not the job's own signal: the run or session that a job names outlives a lost claim on it.
      const handling = handler({ id, data, retries }, draining.signal).catch((error: unknown) => {
        log.warn('queue.job_failed', { queue: name, job_id: id, retries, error });
        // pg-boss keeps what is thrown, unsealed, and an error may quote what its user wrote.
        throw new Error(toHoldfastError(error).code);
      });
      underWay.add(handling);
      await handling.finally(() => underWay.delete(handling));
    },
  );
  return async () => {
    draining.abort();
    await boss.offWork(name, { id, wait: true });
    // pg-boss does not wait for a handler whose job it gave to another worker meanwhile.
    await Promise.allSettled(underWay);
  };
}

function observeDepth(
  { meter, log }: Pick<Telemetry, 'log' | 'meter'>,
  depth: () => ReturnType<Queue['depth']>,
): void {
  meter.createObservableGauge('holdfast_queue_depth').addCallback(async result => {
    try {
      for (const { name, queued, active, dead } of await depth()) {
        result.observe(queued, { queue: name, state: 'queued' });
        result.observe(active, { queue: name, state: 'active' });
        result.observe(dead, { queue: name, state: 'dead' });
      }
    } catch (error) {
      log.debug('queue.depth_unknown', { error });
    }
  });
}
