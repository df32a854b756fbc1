import { sql } from 'kysely';
import { HoldfastError, newId } from '../kernel/index.ts';
import type { Database, Trx } from '../platform/database/index.ts';
import type { Sealer } from '../platform/secrets/index.ts';
import { authorize } from './authorize.ts';
import { roleIncludes } from './policies.ts';
import { presentRole } from './present-roles.ts';
import type { ClientSecretGrant, Principal, Rights } from './principal.ts';
import { secondsFromNow } from './projects.ts';
import { CLIENT_SECRET_PREFIX, hashSecret, isSecretShaped, newSecret } from './secrets.ts';
import { tables } from './tables.ts';
import { unauthenticated } from './unauthenticated.ts';

interface NewClientSecret {
  readonly ttlS: number;
  /** How many sessions it may open. */
  readonly maxSessions: number;
  readonly model: string;
  /** The session's configuration, GA shape; stored sealed. */
  readonly session: Record<string, unknown>;
  /** Parts of it that the holder may not change. */
  readonly locked: readonly string[];
  /** Of the end user it is for, as the provider is told. */
  readonly safetyIdentifier?: string | undefined;
}

interface MintedClientSecret {
  /** `ek_…`; shown once. */
  readonly value: string;
  readonly expiresAt: Date;
  /** `sec_…` */
  readonly secretId: string;
}

/** Narrowed tokens for browsers: short-lived, for a number of sessions of one model. */
export interface ClientSecrets {
  /** Throws `forbidden` for callers that may not mint. */
  mint(by: Principal, request: NewClientSecret): Promise<MintedClientSecret>;
  /**
   * The principal behind a secret: acts for its creator, at most as a Developer, and carries the
   * grant. It ends with the key or the sign-in that minted it. A used-up secret still verifies
   * until it expires, and an expired one for some time after its last session (`isOver`), so that
   * it can end what it opened and upload recordings to it.
   */
  verify(value: string): Promise<Principal | undefined>;
  /** The grant of a secret that has not expired, for code that acts for its creator. */
  grantOf(secretId: string): Promise<ClientSecretGrant | undefined>;
  /**
   * Takes one of the sessions, which may last `sessionS`; throws `unauthenticated` when none is
   * left or it has expired.
   */
  consume(trx: Trx, secretId: string, sessionS: number): Promise<void>;
  /** Deletes expired ones; answers how many. */
  sweep(): Promise<number>;
}

/** How long after the end of its longest session a secret is good for uploads to it. */
const AFTER_SESSION_S = 15 * 60;

/** Whether a secret is good for anything. */
const lives = sql<boolean>`(greatest(expires_at, opened_until) > now())`;

/**
 * All secrets of a project are sealed with one data key: they live for hours at most and are
 * deleted, so there is no need to forget a key for each.
 */
const sealSubject = (projectId: string) => `client-secrets:${projectId}`;

export function createClientSecrets(database: Database, sealer: Sealer): ClientSecrets {
  return {
    async mint(by, request) {
      authorize('realtime.mint', by);
      const value = newSecret(CLIENT_SECRET_PREFIX);
      const row = await database.transaction(async trx => {
        const sealed = await sealer.seal(trx, sealSubject(by.projectId), request.session);
        return tables(trx)
          .insertInto('client_secrets')
          .values({
            id: newId('sec'),
            secret_hash: hashSecret(value),
            project_id: by.projectId,
            created_by: by.id,
            creator_name: by.name,
            model: request.model,
            locked: [...request.locked],
            safety_identifier: request.safetyIdentifier ?? null,
            session_key_id: sealed.keyId,
            session_data: sealed.ciphertext,
            max_sessions: request.maxSessions,
            expires_at: secondsFromNow(request.ttlS),
            basis: by.basis === undefined ? null : JSON.stringify(by.basis),
          })
          .returning(['id', 'expires_at'])
          .executeTakeFirstOrThrow();
      });
      return { value, expiresAt: row.expires_at, secretId: row.id };
    },

    async verify(value) {
      if (!isSecretShaped(CLIENT_SECRET_PREFIX, value)) return undefined;
      return load(database, sealer, { secret_hash: hashSecret(value) });
    },

    async grantOf(secretId) {
      const grant = (await load(database, sealer, { id: secretId }))?.grant;
      return grant?.isOver ? undefined : grant;
    },

    async consume(trx, secretId, sessionS) {
      const taken = await tables(trx)
        .updateTable('client_secrets')
        .set(row => ({
          used_sessions: row('used_sessions', '+', 1),
          opened_until: secondsFromNow(sessionS + AFTER_SESSION_S),
        }))
        .where('id', '=', secretId)
        .where('expires_at', '>', sql<Date>`now()`)
        .whereRef('used_sessions', '<', 'max_sessions')
        .returning('id')
        .executeTakeFirst();
      if (taken === undefined) throw await whyNot(trx, secretId);
    },

    async sweep() {
      const { numDeletedRows } = await tables(database.db)
        .deleteFrom('client_secrets')
        .where(lives, '=', false)
        .executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

/** The answer to a secret that opens no session any more; its holder has shown it. */
async function whyNot(trx: Trx, secretId: string): Promise<HoldfastError> {
  const row = await tables(trx)
    .selectFrom('client_secrets')
    .select('max_sessions')
    .where('id', '=', secretId)
    .where('expires_at', '>', sql<Date>`now()`)
    .executeTakeFirst();
  if (row === undefined) return unauthenticated();
  const many = row.max_sessions === 1 ? 'the one session' : `all ${row.max_sessions} sessions`;
  const text = `This client secret has opened ${many} that it was made for. Mint another one.`;
  return new HoldfastError('unauthenticated', text);
}

async function load(
  database: Database,
  sealer: Sealer,
  key: { id: string } | { secret_hash: string },
): Promise<(Principal & { readonly grant: ClientSecretGrant }) | undefined> {
  const row = await tables(database.db)
    .selectFrom('client_secrets')
    .selectAll()
    .where(eb => eb.and(key))
    .select(sql<boolean>`expires_at <= now()`.as('is_over'))
    .where(lives, '=', true)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { created_by: id, creator_name: name, project_id: projectId } = row;
  const rights: Rights = {
    id,
    projectId,
    role: 'Developer',
    ...(row.basis && { basis: row.basis }),
  };
  const present = await presentRole(database.db, rights);
  if (present === null || !roleIncludes(present, 'Developer')) return undefined;
  const session = await sealer.open(database.db, sealSubject(projectId), {
    keyId: row.session_key_id,
    ciphertext: row.session_data,
  });
  // The project's key was erased: so was everything the secret could open.
  if (session === undefined) return undefined;
  return {
    ...rights,
    kind: 'client_secret',
    name,
    grant: {
      secretId: row.id,
      model: row.model,
      session: session as Record<string, unknown>,
      locked: row.locked,
      ...(row.safety_identifier !== null && { safetyIdentifier: row.safety_identifier }),
      maxSessions: row.max_sessions,
      isOver: row.is_over,
    },
  };
}
