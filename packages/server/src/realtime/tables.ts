import type { SessionState, SessionType, SessionUsage } from '@holdfast/protocol';
import type { ColumnType, Generated, Selectable } from 'kysely';
import type { Basis } from '../auth/index.ts';
import type { Executor } from '../platform/database/index.ts';

/** An order to the replica that holds a session. */
export type Control = 'end' | 'erase';
export type Transport = 'websocket' | 'webrtc' | 'sip';
export type Protocol = 'ga' | 'preview';

type UsageColumns = { [K in keyof SessionUsage]: Generated<number> };

export interface SessionsTable extends UsageColumns {
  id: string;
  project_id: string;
  created_by: string;
  state: SessionState;
  type: Generated<SessionType>;
  holds_place: boolean;
  transport: Transport;
  protocol: Protocol;
  model: string;
  voice: string | null;
  secret_id: string | null;
  label: string | null;
  /** Written as JSON text, read parsed. */
  basis: ColumnType<Basis | null, string | null, string | null>;
  locked: Generated<string>;
  call_id: string | null;
  upstream_call_id: string | null;
  upstream_session_id: string | null;
  replica: string | null;
  revision: string | null;
  control: Control | null;
  created_at: Generated<Date>;
  connected_at: Date | null;
  disconnected_at: Date | null;
  reconnect_until: Date | null;
  ended_at: Date | null;
  expires_at: Date;
  upstream_expires_at: Date | null;
  last_activity_at: Date | null;
  erased_at: Date | null;
  /** Of the blob in which a process that drained has left the session; null once it is taken. */
  handover_key: string | null;
  /** Digests of the handles with which its client may come back. */
  handles: Generated<string[]>;
  /** Its client has come to another replica. */
  handover_wanted: Generated<boolean>;
  close_reason: string | null;
  close_code: number | null;
  /** The known part of the cost. */
  cost_usd: Generated<number>;
  unpriced: Generated<string[]>;
  unreported: Generated<number>;
}
export type SessionRow = Selectable<SessionsTable>;

export type Tables = { sessions: SessionsTable };

/** This feature's view of the database. */
export function tables(executor: Executor) {
  return executor.withTables<Tables>();
}
