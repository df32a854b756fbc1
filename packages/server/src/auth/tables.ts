import type { Role, Scope } from '@holdfast/protocol';
import type { ColumnType, Generated } from 'kysely';
import type { Executor } from '../platform/database/index.ts';
import type { Basis } from './principal.ts';

type ProjectRow = { id: string; name: string; created_at: Generated<Date> };

export type ApiKeyRow = {
  id: string;
  project_id: string;
  name: string;
  role: Role;
  key_hash: string;
  prefix: string;
  created_by: string;
  created_at: Generated<Date>;
  expires_at: Date | null;
  last_used_at: Date | null;
  revoked_at: Date | null;
  scopes: Scope[] | null;
  person_id: string | null;
  person_source: string | null;
};

type ClientSecretRow = {
  id: string;
  secret_hash: string;
  project_id: string;
  created_by: string;
  creator_name: string;
  model: string;
  locked: string[];
  safety_identifier: string | null;
  session_key_id: string;
  session_data: Uint8Array;
  max_sessions: number;
  used_sessions: Generated<number>;
  created_at: Generated<Date>;
  expires_at: Date;
  /** Until when it is good for what it opened; null before it opens something. */
  opened_until: Date | null;
  /** Written as JSON text, read parsed. */
  basis: ColumnType<Basis | null, string | null, never>;
};

export type ConsoleSessionRow = {
  id: string;
  token_hash: string;
  page_hash: string | null;
  principal_id: string;
  name: string;
  roles: Record<string, Role>;
  created_at: Generated<Date>;
  last_seen_at: Generated<Date>;
  expires_at: Date;
  roles_until: Date | null;
  renewing_until: Date | null;
  renewal_paused: Generated<boolean>;
  refresh_key_id: string | null;
  refresh_data: Uint8Array | null;
  provider_sid: string | null;
};

export type AuditRow = {
  id: string;
  created_at: Generated<Date>;
  principal: string;
  project_id: string | null;
  action: string;
  target: string | null;
  outcome: 'allowed' | 'denied';
  reason: string | null;
  request_id: string;
};

type ClaimedRolesRow = {
  principal_id: string;
  source: string;
  roles: Record<string, Role>;
  claimed_at: Date;
};

type LogoutRow = { principal_id: string; at: Date };

type LogoutTokenRow = { jti_hash: string; expires_at: Date };

type StreamTicketRow = {
  token_hash: string;
  /** Written as JSON text, read parsed. */
  principal: ColumnType<TicketPrincipal, string, never>;
  subjects: string[];
  created_at: Generated<Date>;
  expires_at: Date;
};

/** Who asked for a ticket: all of a principal that outlives its request. */
export type TicketPrincipal = {
  kind: 'local' | 'user' | 'api_key';
  id: string;
  name: string;
  projectId: string;
  role: Role;
  basis?: Basis;
  scopes?: readonly Scope[];
};

export type LimitRow = {
  /** `project:<id>`, or the id of an API key. */
  subject: string;
  project_id: string;
  /** Null: as the settings say. */
  max_sessions: number | null;
  requests_per_minute: number | null;
  request_burst: number | null;
  updated_by: string;
  updated_at: Generated<Date>;
};

type Tables = {
  limits: LimitRow;
  projects: ProjectRow;
  api_keys: ApiKeyRow;
  client_secrets: ClientSecretRow;
  console_sessions: ConsoleSessionRow;
  claimed_roles: ClaimedRolesRow;
  logouts: LogoutRow;
  logout_tokens: LogoutTokenRow;
  audit_log: AuditRow;
  stream_tickets: StreamTicketRow;
};

/** The executor with this feature's tables. */
export const tables = (executor: Executor) => executor.withTables<Tables>();
