/** What a relay is given, what it asks of its session, and what it tells of its end. */
import type { BlockPool } from './block-pool.ts';
import type { DeliveryRecord, Resumption } from './delivery.ts';
import type { RelayLimits } from './limits.ts';
import type { RelayGuard } from './pumps.ts';
import type { RelayPeer } from './side.ts';
import type { RelayTicker } from './ticker.ts';

/** Who ended the session. `server` is us. */
type RelayInitiator = 'client' | 'upstream' | 'server';

/** Why: a close frame, bytes lost, a broken rule, silence, a stalled reader, or `close()`. */
export type RelayCause = 'close' | 'lost' | 'violation' | 'silent' | 'stalled' | 'server';

/** How a session ended, as decided by the first event. */
export interface RelayOutcome {
  readonly initiator: RelayInitiator;
  readonly cause: RelayCause;
  /** Of the client's close frame, or the one it was sent. 1005: no code; 1006: it vanished. */
  readonly clientCode: number;
  /** The same for the upstream. */
  readonly upstreamCode: number;
  readonly reason: string;
}

/** How a side ended by itself; code 1006: without a close frame. */
export interface SideEnd {
  readonly cause: Exclude<RelayCause, 'server'>;
  readonly code: number;
  readonly reason: string;
}

/** What a relay in another process needs to go on for the same client. */
export interface RelayRecord {
  /** Messages of the client's that have been taken. */
  readonly input: number;
  readonly output: DeliveryRecord;
}

/** How a client goes on: as in `attachClient`, and with what the new upstream is told first. */
export interface GoingOn {
  readonly from: RelayRecord;
  readonly received: number | null;
  readonly introduce: (resumption: Resumption) => readonly string[];
  readonly first: readonly string[];
}

export interface RelayOptions {
  readonly client: RelayPeer;
  readonly upstream: RelayPeer;
  readonly ticker: RelayTicker;
  readonly limits?: Partial<RelayLimits>;
  readonly guard?: RelayGuard;
  /**
   * Each text message from the upstream, but audio and over-long ones, after it was forwarded.
   * Called synchronously: keep it short. What it throws is counted and dropped.
   */
  readonly onServerEvent?: (text: string) => void;
  /** The same for messages from the client that were forwarded. */
  readonly onClientEvent?: (text: string) => void;
  /**
   * Asked when the upstream ends by itself: true where another one will take its place. Where the
   * end cuts a message that was too long to wait for its end, it is not asked.
   */
  readonly mayReplace?: (end: SideEnd) => boolean;
  /** Asked when the client's line drops: true where it is awaited. Only with `keptIn`. */
  readonly mayAwait?: (end: SideEnd) => boolean;
  /** Where output is kept for a client that may come back. */
  readonly keptIn?: BlockPool;
  /** The client goes on from another relay. */
  readonly goesOn?: GoingOn;
  /** Most of the room for output is taken while the client is away; called once each time. */
  readonly onFull?: () => void;
  /** The client of the present connection has acknowledged something. */
  readonly onAcknowledged?: () => void;
  /** Whether a message must not reach a client twice that may have had it. */
  readonly isOnce?: (text: string) => boolean;
  /**
   * Each append of audio that is forwarded, masked as it came and valid during the call; null for
   * one that is too long to be kept whole.
   */
  readonly onClientAudio?: (payload: Buffer | null, mask: number) => void;
  /** The outcome, once it is decided and before the sockets are closed. */
  readonly onClosing?: (outcome: RelayOutcome) => void;
  /** Goes upstream ahead of the close frame, where the client or we end the session. */
  readonly lastWords?: () => readonly string[];
  /** The `error` event that a client gets before its close when the upstream failed. */
  readonly upstreamFailureEvent?: (cause: RelayCause) => string;
}
