import type { Role } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { Executor } from '../platform/database/index.ts';
import { keyLives, keyRole } from './api-keys.ts';
import { rolesStand, sessionLives } from './console-sessions.ts';
import { LOCAL_USER } from './local/identity.ts';
import type { Rights } from './principal.ts';

/**
 * The role that each right has by now, in the same order: null once the key or the sign-in behind
 * it is over. One query for all. The local user without a sign-in stays a Developer.
 */
export async function presentRoles(
  executor: Executor,
  asked: readonly Rights[],
): Promise<(Role | null)[]> {
  const based = asked.flatMap(({ basis, projectId }, n) =>
    basis === undefined ? [] : [{ n, project: projectId, ...basis }],
  );
  const roles = asked.map(({ basis, role }) => (basis === undefined ? role : null));
  if (based.length === 0) return roles;
  const { rows } = await sql<{ n: number; role: Role | null }>`
    select a.n, coalesce(case when k.id is not null then ${keyRole('k')} end,
      s.roles ->> a.project, c.roles ->> a.project) as role
    from jsonb_to_recordset(${JSON.stringify(based)}::jsonb)
      as a(n int, project text, kind text, id text, source text,
        "issuedAtS" float8)
    left join api_keys k on a.kind = 'key' and k.id = a.id and k.project_id = a.project
      and ${keyLives('k')}
    left join console_sessions s on a.kind = 'console' and s.id = a.id and ${sessionLives('s')}
      and ${rolesStand('s')}
    left join claimed_roles c on a.kind = 'token' and c.principal_id = a.id
      and c.source = a.source
      and not exists (select 1 from logouts l
        where l.principal_id = a.id and l.at >= to_timestamp(a."issuedAtS"))
  `.execute(executor);
  for (const { n, role } of rows) roles[n] = role;
  return roles.map((role, n) => role ?? (asked[n]!.id === LOCAL_USER.id ? 'Developer' : null));
}

/** The role that one right has by now. */
export async function presentRole(executor: Executor, rights: Rights): Promise<Role | null> {
  return (await presentRoles(executor, [rights]))[0]!;
}
