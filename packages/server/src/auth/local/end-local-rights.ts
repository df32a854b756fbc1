import { sql } from 'kysely';
import type { Database } from '../../platform/database/index.ts';
import type { Logger } from '../../platform/telemetry/index.ts';
import type { Audit } from '../audit.ts';
import { tables } from '../tables.ts';
import { LOCAL_USER } from './identity.ts';

interface EndDeps {
  readonly database: Database;
  readonly audit: Pick<Audit, 'record'>;
  readonly log: Pick<Logger, 'warn'>;
}

/**
 * Ends what was made in local mode, where everybody on the machine is one user: no claim of an
 * identity provider stands behind it, so nothing else would ever end it. API keys are revoked, with
 * those that they made, and sign-ins, client secrets and tickets of the local user are deleted.
 * Does nothing the second time; several replicas may do so at once.
 */
export async function endLocalRights({ database, audit, log }: EndDeps): Promise<void> {
  const revoked = await database.transaction(async trx => {
    const { rows } = await sql<{ id: string; project_id: string }>`
      with recursive made as (
        select id from api_keys where ${LOCAL_USER.id} in (created_by, person_id)
        union
        select k.id from api_keys k join made on k.created_by = made.id
      )
      update api_keys set revoked_at = now()
      where revoked_at is null and id in (select id from made)
      returning id, project_id`.execute(trx);
    const ids = [LOCAL_USER.id, ...rows.map(({ id }) => id)];
    await tables(trx).deleteFrom('client_secrets').where('created_by', 'in', ids).execute();
    await tables(trx)
      .deleteFrom('stream_tickets')
      .where(sql<string>`principal ->> 'id'`, '=', LOCAL_USER.id)
      .execute();
    await tables(trx)
      .deleteFrom('console_sessions')
      .where('principal_id', '=', LOCAL_USER.id)
      .execute();
    for (const { id, project_id: projectId } of rows) {
      await audit.record(
        {
          principal: 'identity_provider',
          projectId,
          action: 'keys.revoke',
          target: id,
          outcome: 'allowed',
          reason: 'Made in local mode; people sign in at an identity provider now.',
          requestId: 'start',
        },
        trx,
      );
    }
    return rows.length;
  });
  if (revoked === 0) return;
  log.warn('auth.local_keys_revoked', {
    keys: revoked,
    note: 'These API keys were made in local mode. With an identity provider they are over.',
  });
}
