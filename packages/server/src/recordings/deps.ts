import type { BlobStore } from '../platform/blobs/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { Leases } from '../platform/leases/index.ts';
import type { Log } from '../platform/log/index.ts';
import type { Sealer } from '../platform/secrets/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import type { AuditDeps } from '../work/index.ts';
import type { MeasureAudio } from './measure.ts';
import type { Spool } from './spool.ts';

/** What the parts of this feature are built from. */
export interface RecordingsDeps extends AuditDeps {
  readonly database: Database;
  readonly log: Log;
  readonly blobs: BlobStore;
  readonly sealer: Sealer;
  readonly spool: Spool;
  readonly measureAudio: MeasureAudio;
  readonly telemetry: Telemetry;
  /** Names the process in the log where no person acts. */
  readonly leases: Pick<Leases, 'replica'>;
  readonly uploadMaxBytes: number;
  /** How long an upload may send nothing; default `UPLOAD_IDLE_MS`. */
  readonly uploadIdleMs?: number;
}
