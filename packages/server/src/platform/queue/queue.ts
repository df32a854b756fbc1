import type { Expression } from 'kysely';
import type { Trx } from '../database/index.ts';

/**
 * The port for jobs. A job is only a wake-up: it may be delivered twice after a kill, so its
 * handler looks at the run or session that the job names for whether there is work to do.
 */
export interface QueueDefinition {
  readonly name: string;
  /**
   * Its name in an earlier revision. If a queue of that name exists, its jobs and dead letters
   * count as this queue's: that revision may still send there, on the same database.
   */
  readonly formerName?: string;
}

export interface Job {
  readonly id: string;
  readonly data: Readonly<Record<string, string>>;
  /** 0 at the first delivery. */
  readonly retries: number;
}

interface SendOptions {
  /** Seconds before the job may be delivered. */
  readonly startAfterS?: number;
  /** While a job with this key waits, another is not added. */
  readonly singletonKey?: string;
}

export interface QueueDepth {
  readonly name: string;
  readonly queued: number;
  readonly active: number;
  readonly dead: number;
}

export interface DeadLetter {
  readonly jobId: string;
  readonly data: Readonly<Record<string, string>>;
  readonly failedAt: Date | null;
}

export interface DeadLetterQuery {
  readonly limit: number;
  readonly jobId?: string | undefined;
  /** Only jobs whose data names, at `key`, one of a subquery's values. */
  readonly naming?: { readonly key: string; readonly among: Expression<unknown> };
}

export interface Queue {
  readonly adapter: string;
  /** Sends within `trx`: the job is there when the transaction is. */
  send(trx: Trx, queue: string, data: Record<string, string>, options?: SendOptions): Promise<void>;
  /**
   * Works on jobs, at most `concurrency` at once. A handler that throws has its job tried again
   * with backoff, and put among the dead letters after the last try. `signal` aborts when the
   * process drains. Answers the function that stops taking jobs and waits for those in progress.
   */
  work(
    queue: string,
    options: { concurrency: number },
    handler: (job: Job, signal: AbortSignal) => Promise<void>,
  ): Promise<() => Promise<void>>;
  depth(): Promise<QueueDepth[]>;
  /** Newest first. */
  deadLetters(queue: string, query: DeadLetterQuery): Promise<DeadLetter[]>;
  /**
   * Puts these dead letters back; answers how many. One whose key has a waiting job by now is
   * dropped, because that job does the same work.
   */
  redrive(queue: string, jobIds: readonly string[]): Promise<number>;
  /** Makes the queues that are missing; others cannot be sent to or worked on. */
  start(queues: readonly QueueDefinition[]): Promise<void>;
  stop(): Promise<void>;
}
