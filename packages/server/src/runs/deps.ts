import type { AgentInfo } from '@holdfast/protocol';
import type { BlobStore } from '../platform/blobs/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { Leases } from '../platform/leases/index.ts';
import type { Log } from '../platform/log/index.ts';
import type { Queue } from '../platform/queue/index.ts';
import type { Sealer } from '../platform/secrets/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import type { Streams } from '../work/stream/index.ts';
import type { AccessDeps } from './access.ts';
import type { SourceChecks } from './tasks/repository-source.ts';
import type { Workspaces } from './workspace/workspace.ts';

/** What the verbs of a run's driver need; a leaf, so that every verb can name it. */
export interface DriverDeps {
  readonly database: Database;
  readonly log: Log;
  readonly leases: Leases;
  readonly sealer: Sealer;
  readonly queue: Pick<Queue, 'send'>;
  readonly telemetry: Telemetry;
  /** How long a verb is tried again while the database is away; has `fencedWrite`'s default. */
  readonly persistMs?: number;
}

/** What the verbs that people use through the API need besides. */
export interface RunsServiceDeps extends AccessDeps, DriverDeps {
  /** Runs of one owner that may wait. Default `QUEUED_RUNS_MAX`. */
  readonly queuedMax?: number | undefined;
  readonly blobs: BlobStore;
  /** The agents that can be run somewhere in this installation. */
  readonly agents: () => Promise<{ data: AgentInfo[]; isolation_note: string | null }>;
  readonly agentNames: readonly string[];
  /** Throws `unknown_model` where the gateway has no such model. */
  readonly checkModel?: (name: string) => void;
}

/** Everything the feature needs from outside; its wiring provides it. */
export interface RunsDeps extends RunsServiceDeps {
  readonly streams: Streams;
  readonly queue: Queue;
  /** Days that ended runs are kept; null or left out: for ever. */
  readonly retentionDays?: number | null;
  /** Which repositories may be added: local mode, allowed hosts. */
  readonly sources: SourceChecks;
  /** Reaches a repository before it is stored; left out: no check. */
  readonly inspect?: Workspaces['inspect'] | undefined;
}
