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
import type { WorkerLimits } from './limits.ts';

/** What a worker works with. */
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
