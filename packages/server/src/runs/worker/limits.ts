const MINUTE_MS = 60_000;
const GIB = 1024 ** 3;

/**
 * The bounds of a run at work. Settings of the same names take their place; a worker can be given
 * others.
 */
export const defaultWorkerLimits = {
  /** Runs at once in this process. */
  concurrency: 2,
  perOwner: 8,
  perRepository: 8,
  /** The agent is asked to stop. */
  softTimeMs: 50 * MINUTE_MS,
  /** The agent is killed. */
  hardTimeMs: 60 * MINUTE_MS,
  /** An agent without any event for so long hangs. */
  silenceMs: 10 * MINUTE_MS,
  /** Clone and home of a run, as they are seen now and then. */
  diskMaxBytes: 10 * GIB,
  /** Between two looks, at least; a look that takes long is followed by a longer pause. */
  diskIntervalMs: 5_000,
  /** From one signal to the next harder one: SIGINT, SIGTERM, SIGKILL. */
  stopGraceMs: 5_000,
  /** Between checkpoints while things change, at most; at tool boundaries sooner. */
  checkpointMaxMs: MINUTE_MS,
  checkpointMinMs: 5_000,
  testTimeMs: 10 * MINUTE_MS,
  /** For what is still to be written when an attempt ends. */
  flushMs: 10_000,
  /** How often jobs that were lost are looked for. */
  wakeIntervalMs: 15_000,
};

export type WorkerLimits = Readonly<typeof defaultWorkerLimits>;

/** Kept of a test command's output: its end. */
export const TEST_OUTPUT_KEPT_BYTES = 64 * 1024;
/** For an agent's last events, where there is no time to wait for the log. */
export const HURRIED_FLUSH_MS = 500;
/** Pushes at once in one process. */
export const PUSHES_MAX = 2;
