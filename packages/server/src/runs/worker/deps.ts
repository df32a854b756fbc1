import type { ModelGateway } from '../../models/index.ts';
import type { BlobStore } from '../../platform/blobs/index.ts';
import type { Database } from '../../platform/database/index.ts';
import type { Doorbell } from '../../platform/doorbell/index.ts';
import type { Leases } from '../../platform/leases/index.ts';
import type { Log } from '../../platform/log/index.ts';
import type { Queue } from '../../platform/queue/index.ts';
import type { Sealer } from '../../platform/secrets/index.ts';
import type { Telemetry } from '../../platform/telemetry/index.ts';
import type { Agent } from '../agents/agent.ts';
import type { Egress } from '../egress/index.ts';
import type { RunDriver } from '../run-driver.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Workspaces } from '../workspace/workspace.ts';

const MINUTE_MS = 60_000;
const MIB = 1024 ** 2;
const GIB = 1024 * MIB;

/** The ports of a worker, and its bounds. */
export interface WorkerDeps {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly sealer: Pick<Sealer, 'sealStream'>;
  readonly doorbell: Doorbell;
  readonly leases: Leases;
  readonly queue: Queue;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly driver: RunDriver;
  readonly workspaces: Workspaces;
  readonly sandbox: Sandbox;
  /** Left out: no network in sandboxes but the models. */
  readonly egress?: Egress | undefined;
  readonly agents: readonly Agent[];
  readonly gateway: ModelGateway;
  readonly limits: WorkerLimits;
}

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
  /** An agent without any event for so long counts as hanging. */
  silenceMs: 10 * MINUTE_MS,
  /** Clone, homes and git objects of a run, measured at intervals. */
  diskMaxBytes: 10 * GIB,
  /** Files, folders and links there. */
  filesMax: 300_000,
  /** Between two measurements, at least; after a slow one the pause is longer. */
  diskIntervalMs: 5_000,
  /** Of all processes of a run, measured at intervals. */
  memoryMaxBytes: 4 * GIB,
  memoryIntervalMs: 1_000,
  /** Events of agents in a run's log over all attempts, and their bytes as JSON. */
  logMaxEvents: 200_000,
  logMaxBytes: 256 * MIB,
  /** From one signal to the next harder one: SIGINT, SIGTERM, SIGKILL. */
  stopGraceMs: 5_000,
  /** Between checkpoints while things change, at most; at tool boundaries sooner. */
  checkpointMaxMs: MINUTE_MS,
  checkpointMinMs: 5_000,
  testTimeMs: 10 * MINUTE_MS,
  /** For the events that are not yet written when an attempt ends. */
  flushMs: 10_000,
  /** How often jobs that were lost are looked for. */
  wakeIntervalMs: 15_000,
};

export type WorkerLimits = Readonly<typeof defaultWorkerLimits>;
