import type { Models } from '../models/index.ts';
import type { RecordDeps } from './handover/record.ts';
import type { KnownEvents } from './known-event.ts';
import type { Traffic } from './metrics.ts';
import type { AdmissionDeps } from './open-session.ts';
import type { SessionRegistry } from './registry.ts';
import type { BlockPool, RelayLimits, RelayTicker } from './relay/index.ts';

/** What a session over a WebSocket is built from. */
export interface SocketDeps extends AdmissionDeps, RecordDeps {
  readonly models: Models;
  readonly registry: SessionRegistry;
  readonly ticker: RelayTicker;
  /** Where output is kept for clients that have lost their line. */
  readonly keptIn: BlockPool;
  readonly traffic: Traffic;
  /** What may pass where parts of a session are locked. */
  readonly knownEvents: KnownEvents;
  /** Makes that replica look at its orders. */
  readonly ringReplica: (replica: string) => void;
  /** From the first packet to the upstream until its 101. */
  readonly dialTimeoutMs: number;
  /** How long the upstream may take to confirm a configuration that we fixed. */
  readonly configurationTimeoutMs: number;
  readonly relayLimits?: Partial<RelayLimits>;
}
