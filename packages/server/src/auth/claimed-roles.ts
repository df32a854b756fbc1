import type { Role } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { Database, Executor } from '../platform/database/index.ts';
import { tables } from './tables.ts';

type Roles = Readonly<Record<string, Role>>;

/** What an identity provider claimed of a person. */
export interface Claimed {
  readonly principalId: string;
  /** Where the claims came from; only those of one source are compared. */
  readonly source: string;
  /**
   * What revisions before called the source, which was several: rights that name it go with the
   * newest claims of any.
   */
  readonly formerSource?: string;
  readonly roles: Roles;
  /** When the provider made them, in seconds since the epoch. */
  readonly issuedAtS: number;
}

export interface ClaimedRoles {
  /**
   * Answers the roles that hold now: those of the newest claims from this source; undefined where
   * the provider has ended all of the person's sign-ins since.
   */
  note(claimed: Claimed): Promise<Roles | undefined>;
}

/** Source of the claims of a console's sign-in. */
export const SIGN_IN = 'sign_in';
/** Unchanged roles are noted again at most this often. */
const NOTE_INTERVAL_S = 60;

/** `changed` is called once someone's roles have changed. */
export function createClaimedRoles({ db }: Database, changed: () => void): ClaimedRoles {
  return {
    async note({ principalId, source, formerSource, roles, issuedAtS }) {
      const { known, knownAtS, endedAtS } = await find(db, principalId, source);
      if (endedAtS >= issuedAtS) return undefined;
      if (known !== null && knownAtS > issuedAtS) return known;
      const differ = known !== null && !sameRoles(known, roles);
      if (known !== null && !differ && issuedAtS - knownAtS < NOTE_INTERVAL_S) return roles;
      await sql`
        insert into claimed_roles (principal_id, source, roles, claimed_at)
        values (${principalId}, ${source}, ${JSON.stringify(roles)}::jsonb,
          ${seconds(issuedAtS)})
        on conflict (principal_id, source)
        do update set roles = excluded.roles, claimed_at = excluded.claimed_at
        where claimed_roles.claimed_at <= excluded.claimed_at`.execute(db);
      if (formerSource !== undefined) {
        await tables(db)
          .updateTable('claimed_roles')
          .set({ roles: sql`${JSON.stringify(roles)}::jsonb`, claimed_at: seconds(issuedAtS) })
          .where('principal_id', '=', principalId)
          .where('source', '=', formerSource)
          .where('claimed_at', '<=', seconds(issuedAtS))
          .execute();
      }
      if (differ) changed();
      return roles;
    },
  };
}

function seconds(epochS: number) {
  return sql<Date>`to_timestamp(${epochS})`;
}

interface Known {
  readonly known: Roles | null;
  readonly knownAtS: number;
  /** When all of the person's sign-ins were ended; -1: never, or of no matter to a new one. */
  readonly endedAtS: number;
}

async function find(executor: Executor, principalId: string, source: string): Promise<Known> {
  const { rows } = await sql<Known>`
    select c.roles as known, coalesce(extract(epoch from c.claimed_at), 0)::float8 as "knownAtS",
      coalesce(extract(epoch from l.at), -1)::float8 as "endedAtS"
    from (select ${principalId}::text as id) person
    left join claimed_roles c on c.principal_id = person.id and c.source = ${source}
    left join logouts l on l.principal_id = person.id and ${source} <> ${SIGN_IN}`.execute(
    executor,
  );
  return rows[0]!;
}

function sameRoles(one: Roles, other: Roles): boolean {
  const [projects, others] = [Object.keys(one), Object.keys(other)];
  return (
    projects.length === others.length && projects.every(project => one[project] === other[project])
  );
}
