import type { BlobStore } from '../platform/blobs/index.ts';
import type { Database, Executor, Trx } from '../platform/database/index.ts';
import type { Leases } from '../platform/leases/index.ts';
import type { Log } from '../platform/log/index.ts';
import type { Sealer } from '../platform/secrets/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import type { AuditDeps } from '../work/index.ts';
import type { MeasureAudio } from './measure.ts';
import type { Spool } from './spool.ts';

/** What this feature has to know and to tell of the sessions that it stores recordings of. */
interface RecordedSessions {
  /** The client secret that opened a session, or will; null: none. */
  secretOf(executor: Executor, sessionId: string): Promise<string | null>;
  /** Somebody has uploaded to the session. */
  noteActivity(trx: Trx, sessionId: string): Promise<void>;
}

/** What the parts of this feature are built from. */
export interface RecordingsDeps extends AuditDeps {
  readonly database: Database;
  readonly log: Log;
  readonly blobs: BlobStore;
  readonly sealer: Sealer;
  readonly spool: Spool;
  readonly measureAudio: MeasureAudio;
  readonly sessions: RecordedSessions;
  readonly telemetry: Telemetry;
  /** Names the process in the log where no person acts. */
  readonly leases: Pick<Leases, 'replica'>;
  readonly uploadMaxBytes: number;
  /** How long an upload may send nothing; default `UPLOAD_IDLE_MS`. */
  readonly uploadIdleMs?: number;
}
