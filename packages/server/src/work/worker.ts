import {
  type Component,
  endsWithin,
  HoldfastError,
  RepeatedLook,
  toHoldfastError,
  unlessAborted,
} from '../kernel/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { Doorbell } from '../platform/doorbell/index.ts';
import { LEASE_SELF_FENCE_MS, type Leases } from '../platform/leases/index.ts';
import type { Job, Queue } from '../platform/queue/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import type { Kind } from './kinds.ts';

/** How often a worker looks at what is asked of its attempts, besides the doorbell. */
const LOOK_INTERVAL_MS = 1_000;
/** How long a worker whose time is over still waits for work that was not given back yet. */
const STOP_WAIT_MS = 3_000;
/** Subjects woken by one sweep. */
export const WAKE_BATCH = 100;

/** One holding of a subject's lease by this process. */
export interface WorkAttempt {
  /** Resolves when this process needs the subject no more. Never rejects. */
  readonly done: Promise<void>;
  /** Gives the subject back (`drain`), or drops what another process holds now (`lost`). */
  stop(cause: 'drain' | 'lost'): void;
  /** There is no time left: what `stop` still does is cut short. */
  hurry(): void;
}

export interface WorkerPorts {
  readonly database: Database;
  readonly doorbell: Doorbell;
  readonly leases: Leases;
  readonly queue: Queue;
  readonly telemetry: Telemetry;
}

export interface WorkerOptions<A extends WorkAttempt> {
  readonly ports: WorkerPorts;
  /** Its first queue carries the jobs. */
  readonly kind: Kind;
  /** Of the component and of its events in the log, such as `runs`. */
  readonly name: string;
  /** Subjects at once in this process. */
  readonly concurrency: number;
  /** How often jobs that were lost are looked for. */
  readonly wakeIntervalMs: number;
  /** Takes the subject's lease; undefined where there is nothing to do for this process. */
  claim(subject: string): Promise<A | undefined>;
  /** Looks at what is asked of these attempts, such as a cancel, and passes it on. */
  look(held: ReadonlyMap<string, A>): Promise<void>;
  /** Sends a job again for work that has lost its own, as `wakeLost` does; answers how many. */
  wakeLost(): Promise<number>;
}

/**
 * The loop of a worker of one kind: takes jobs, drives the subjects they name, and looks at what
 * was asked of them once a second (a ring makes that sooner).
 *
 *   open ──drain──▶ takes no jobs; every attempt is stopped and gives its subject back ──▶ closed
 *                       └──deadline──▶ attempts are hurried ──stop──▶ closed
 *
 * A subject that could not be given back by then, because the database is away, is left: its lease
 * expires, and the worker that finds it free goes on with it.
 *
 * A worker that could not renew its leases for `LEASE_SELF_FENCE_MS` stops its attempts itself:
 * another worker may have their subjects by then.
 */
export class Worker<A extends WorkAttempt> implements Component {
  readonly name: string;
  readonly #options: WorkerOptions<A>;
  readonly #attempts = new Map<string, A>();
  /** Subjects that a job is at, from before its claim. */
  readonly #busy = new Set<string>();
  /** Subjects whose lease this replica may have though it drives them no more, or never did. */
  readonly #unsure = new Set<string>();
  readonly #stopTaking: (() => Promise<void>)[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #look: RepeatedLook;
  #unsubscribe: (() => void) | undefined;
  #draining = false;
  #hurried = false;

  constructor(options: WorkerOptions<A>) {
    this.#options = options;
    this.name = options.name;
    const { log } = options.ports.telemetry;
    this.#look = new RepeatedLook(
      async () => {
        if (this.#attempts.size > 0) await options.look(this.#attempts);
      },
      { log, event: `${options.name}.poll_failed` },
    );
  }

  get running(): number {
    return this.#attempts.size;
  }

  async start(): Promise<void> {
    const { ports, kind, concurrency, wakeIntervalMs } = this.#options;
    this.#unsubscribe = ports.doorbell.onRing(subjects => {
      if (subjects.some(subject => this.#attempts.has(subject))) void this.#look.now();
    });
    this.#every(LOOK_INTERVAL_MS, async () => {
      // Not behind a look that waits for the database.
      if (ports.leases.sinceHeartbeatMs() > LEASE_SELF_FENCE_MS) this.#stopAll('lost');
      await this.#look.now();
    });
    this.#every(wakeIntervalMs, () => this.#wake());
    await this.take(kind.queues[0]!.name, concurrency, job => this.#handle(job));
    void this.#wake();
  }

  /** Also takes the jobs of another queue, until a drain. */
  async take(
    queue: string,
    concurrency: number,
    handler: (job: Job) => Promise<void>,
  ): Promise<void> {
    this.#stopTaking.push(await this.#options.ports.queue.work(queue, { concurrency }, handler));
  }

  async drain(signal: AbortSignal): Promise<void> {
    const drained = this.#drain();
    await unlessAborted(signal, () => drained);
    this.#hurryAll();
    await endsWithin(drained, STOP_WAIT_MS);
  }

  /** Afterwards no part of an attempt runs. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#unsubscribe?.();
    const drained = this.#drain();
    this.#hurryAll();
    if (await endsWithin(drained, STOP_WAIT_MS)) return;
    const { ports, name } = this.#options;
    ports.telemetry.log.warn(`${name}.left`, { subjects: [...this.#attempts.keys()] });
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    const stopped = Promise.all(this.#stopTaking.map(stop => stop()));
    this.#stopAll('drain');
    await Promise.all([...this.#attempts.values()].map(attempt => attempt.done));
    await stopped;
  }

  #hurryAll(): void {
    this.#hurried = true;
    for (const attempt of this.#attempts.values()) attempt.hurry();
  }

  #stopAll(cause: 'drain' | 'lost'): void {
    for (const attempt of this.#attempts.values()) attempt.stop(cause);
  }

  #every(ms: number, act: () => Promise<void>): void {
    this.#timers.push(setInterval(() => void act(), ms).unref());
  }

  /** Resolves when the subject needs this worker no more. */
  async #handle(job: Job): Promise<void> {
    const subject = job.data[this.#options.kind.queues[0]!.subjectKey];
    if (subject === undefined || this.#busy.has(subject)) return;
    // A job fetched at the last moment is delivered again elsewhere.
    if (this.#draining) throw new HoldfastError('unavailable', 'This worker takes no more work.');
    this.#busy.add(subject);
    try {
      await this.#drive(subject);
    } catch (error) {
      this.#unsure.add(subject);
      throw error;
    } finally {
      this.#busy.delete(subject);
    }
  }

  async #drive(subject: string): Promise<void> {
    const attempt = await this.#options.claim(subject);
    if (attempt === undefined) return;
    this.#attempts.set(subject, attempt);
    if (this.#draining) attempt.stop('drain');
    if (this.#hurried) attempt.hurry();
    // Rings before this moment were for a subject that was not known here.
    void this.#look.now();
    await attempt.done;
    this.#attempts.delete(subject);
    this.#unsure.add(subject);
  }

  async #wake(): Promise<void> {
    const { ports, name } = this.#options;
    const { log } = ports.telemetry;
    try {
      await this.#abandonUnknown();
      const count = await this.#options.wakeLost();
      if (count > 0) log.info(`${name}.woken`, { count });
    } catch (error) {
      log.debug(`${name}.wake_failed`, { code: toHoldfastError(error).code });
    }
  }

  /** Leaves subjects that a job has come for meanwhile: that job's claim decides about them. */
  async #abandonUnknown(): Promise<void> {
    const { database, leases, telemetry } = this.#options.ports;
    const subjects = [...this.#unsure].filter(subject => !this.#busy.has(subject));
    if (subjects.length === 0) return;
    const leased = await leases.held(database.db, subjects);
    // Asked afterwards: a later claim raises the fence, so releasing these leases is harmless.
    const abandoned = leased.filter(({ subject }) => !this.#busy.has(subject));
    for (const lease of abandoned) await leases.release(database.db, lease);
    for (const subject of subjects) this.#unsure.delete(subject);
    if (abandoned.length > 0) {
      telemetry.log.warn(`${this.#options.name}.unknown_abandoned`, { count: abandoned.length });
    }
  }
}

/**
 * Sends a job for each subject of this kind whose holder is dead, and for those in `also`, which
 * wait, as it seems, without a job. Another job does no harm. Answers how many.
 */
export async function wakeLost(
  {
    database,
    leases,
    queue,
  }: Pick<WorkerPorts, 'database' | 'leases'> & {
    readonly queue: Pick<Queue, 'send'>;
  },
  kind: Kind,
  also: readonly string[],
): Promise<number> {
  const expired = await leases.expired(database.db, kind.name, WAKE_BATCH);
  const subjects = new Set([...expired, ...also]);
  const { name, subjectKey } = kind.queues[0]!;
  for (const subject of subjects) {
    await database.transaction(trx =>
      queue.send(trx, name, { [subjectKey]: subject }, { singletonKey: subject }),
    );
  }
  return subjects.size;
}
