/** The bounds of a run at work. Times in milliseconds; a worker can be given others. */
export interface WorkerLimits {
  /** Runs at once in this process. */
  readonly concurrency: number;
  readonly perOwner: number;
  readonly perRepository: number;
  /** The agent is asked to stop. */
  readonly softTimeMs: number;
  /** The agent is killed. */
  readonly hardTimeMs: number;
  /** An agent that says nothing for so long hangs. */
  readonly silenceMs: number;
  /** Clone and home of a run, as they are seen now and then. */
  readonly diskMaxBytes: number;
  /** Between two looks, at least; a look that takes long is followed by a longer pause. */
  readonly diskIntervalMs: number;
  /** From one signal to the next harder one: SIGINT, SIGTERM, SIGKILL. */
  readonly stopGraceMs: number;
  /** Between checkpoints while things change, at most; at tool boundaries sooner. */
  readonly checkpointMaxMs: number;
  readonly checkpointMinMs: number;
  readonly testTimeMs: number;
  /** For what is still to be written when an attempt ends. */
  readonly flushMs: number;
  /** How often jobs that were lost are looked for. */
  readonly wakeIntervalMs: number;
}

const MINUTE_MS = 60_000;
const GIB = 1024 ** 3;

export const defaultWorkerLimits: WorkerLimits = {
  concurrency: 2,
  perOwner: 8,
  perRepository: 8,
  softTimeMs: 50 * MINUTE_MS,
  hardTimeMs: 60 * MINUTE_MS,
  silenceMs: 10 * MINUTE_MS,
  diskMaxBytes: 10 * GIB,
  diskIntervalMs: 5_000,
  stopGraceMs: 5_000,
  checkpointMaxMs: MINUTE_MS,
  checkpointMinMs: 5_000,
  testTimeMs: 10 * MINUTE_MS,
  flushMs: 10_000,
  wakeIntervalMs: 15_000,
};

/** How often a worker asks what it was told, besides the doorbell. */
export const ORDERS_INTERVAL_MS = 1_000;
/** Kept of a test command's output: its end. */
export const TEST_OUTPUT_KEPT_BYTES = 64 * 1024;
/** For what an agent said, where there is no time to wait for the log. */
export const HURRIED_FLUSH_MS = 500;
/** How long a worker whose time is over still waits for runs that were not given back yet. */
export const STOP_WAIT_MS = 3_000;
/** Pushes at once in one process. */
export const PUSHES_MAX = 2;
