import type { BlobStore } from '../platform/blobs/index.ts';
import type { Leases } from '../platform/leases/index.ts';
import type { Sealer } from '../platform/secrets/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import type { AccessDeps } from './access.ts';
import type { MeasureAudio } from './measure.ts';
import type { Spool } from './spool.ts';

/** What the parts of this feature are built from. */
export interface RecordingsDeps extends AccessDeps {
  readonly blobs: BlobStore;
  readonly sealer: Sealer;
  readonly spool: Spool;
  readonly measureAudio: MeasureAudio;
  readonly telemetry: Telemetry;
  /** Names the process in the log where no person acts. */
  readonly leases: Pick<Leases, 'replica'>;
  readonly uploadMaxBytes: number;
}
