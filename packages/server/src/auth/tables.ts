import type { Role } from '@holdfast/protocol';
import type { Generated } from 'kysely';
import type { Executor } from '../platform/database/index.ts';

export type ProjectRow = { id: string; name: string; created_at: Generated<Date> };

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
};

export type ClientSecretRow = {
  id: string;
  secret_hash: string;
  project_id: string;
  created_by: string;
  creator_name: string;
  model: string;
  locked: string[];
  session_key_id: string;
  session_data: Uint8Array;
  max_sessions: number;
  used_sessions: Generated<number>;
  created_at: Generated<Date>;
  expires_at: Date;
};

export type ConsoleSessionRow = {
  id: string;
  token_hash: string;
  principal_id: string;
  name: string;
  roles: Record<string, Role>;
  created_at: Generated<Date>;
  last_seen_at: Generated<Date>;
  expires_at: Date;
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

type Tables = {
  projects: ProjectRow;
  api_keys: ApiKeyRow;
  client_secrets: ClientSecretRow;
  console_sessions: ConsoleSessionRow;
  audit_log: AuditRow;
};

/** The executor with this feature's tables. */
export const tables = (executor: Executor) => executor.withTables<Tables>();
