import type { Role } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { Database } from '../platform/database/index.ts';
import { tables } from './tables.ts';

type Roles = Readonly<Record<string, Role>>;

/** What an identity provider claimed of a person. */
interface Claimed {
  readonly principalId: string;
  /** Where the claims came from; only those of one source are compared. */
  readonly source: string;
  readonly roles: Roles;
  /** When the provider made them, in seconds since the epoch. */
  readonly issuedAtS: number;
}

export interface ClaimedRoles {
  /** Answers the roles that hold now: those of the newest claims from this source. */
  note(claimed: Claimed): Promise<Roles>;
}

/** Source of the claims of a console's sign-in. */
export const SIGN_IN = 'sign_in';
/** Unchanged roles are noted again at most this often. */
const NOTE_INTERVAL_S = 60;

/** `changed` is called once someone's roles have changed. */
export function createClaimedRoles({ db }: Database, changed: () => void): ClaimedRoles {
  return {
    async note({ principalId, source, roles, issuedAtS }) {
      const known = await tables(db)
        .selectFrom('claimed_roles')
        .select(['roles', 'claimed_at'])
        .where('principal_id', '=', principalId)
        .where('source', '=', source)
        .executeTakeFirst();
      const knownAtS = known === undefined ? 0 : known.claimed_at.getTime() / 1000;
      if (known !== undefined && knownAtS > issuedAtS) return known.roles;
      const differ = known !== undefined && !sameRoles(known.roles, roles);
      if (known !== undefined && !differ && issuedAtS - knownAtS < NOTE_INTERVAL_S) return roles;
      await sql`
        insert into claimed_roles (principal_id, source, roles, claimed_at)
        values (${principalId}, ${source}, ${JSON.stringify(roles)}::jsonb,
          to_timestamp(${issuedAtS}))
        on conflict (principal_id, source)
        do update set roles = excluded.roles, claimed_at = excluded.claimed_at
        where claimed_roles.claimed_at <= excluded.claimed_at`.execute(db);
      if (differ) changed();
      return roles;
    },
  };
}

function sameRoles(one: Roles, other: Roles): boolean {
  const [projects, others] = [Object.keys(one), Object.keys(other)];
  return (
    projects.length === others.length && projects.every(project => one[project] === other[project])
  );
}
