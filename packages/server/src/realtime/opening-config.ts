import type { Principal } from '../auth/index.ts';
import { HoldfastError } from '../kernel/index.ts';
import { mergeSession } from './defaults.ts';
import type { KnownEvents } from './known-event.ts';
import { lockedParam, updateTo } from './locked-config.ts';
import type { Json } from './preview/session.ts';
import { typeOf } from './session-type.ts';

type Grant = NonNullable<Principal['grant']>;

/**
 * What a session opens with: one rule for every way in (docs/guide/locks.md says it to users).
 * Field by field, the first that names it wins:
 *
 * 1. what the client secret has locked; a request that says otherwise is refused by name;
 * 2. the request that opens the session: the `session` of a `/calls` form;
 * 3. the rest of the client secret;
 * 4. the operator's file, 5. the seed's session: on the seeds' routes and for a secret that asked
 *    for defaults, once, when the secret is minted or, without a secret, when the session opens;
 *    the file alone also for other secrets;
 * 6. the provider.
 *
 * `asked` is 2, in GA shape; the model has a rule of its own (`modelOf`). A secret is for one type
 * of session; a request that names none gets that.
 */
export function openingConfig(
  { grant }: Pick<Principal, 'grant'>,
  asked: Json,
  known: KnownEvents,
): Json {
  if (grant === undefined) return asked;
  const type = typeOf(grant.session);
  if (asked.type !== undefined && typeOf(asked) !== type) {
    throw new HoldfastError('invalid_request', `This client secret is for a ${type} session.`, {
      field: 'type',
      allowed: [type],
    });
  }
  const { model: _model, type: _type, ...session } = asked;
  if (Object.keys(session).length === 0) return grant.session;
  if (grant.locked.length > 0) assertUnlocked(grant, session, known);
  return mergeSession(grant.session, session);
}

function assertUnlocked(grant: Grant, session: Json, known: KnownEvents): void {
  const type = typeOf(grant.session);
  const unknown = known.unknownPart(updateTo({ ...session, type }), type);
  if (unknown !== undefined) {
    const message = `${unknown} is not known, and this client secret has locked parts.`;
    throw new HoldfastError('invalid_request', message, { field: unknown });
  }
  const param = lockedParam({ session }, { config: grant.session, locked: grant.locked });
  if (param !== undefined) {
    const message = `${param} is fixed by the client secret and cannot be changed.`;
    throw new HoldfastError('forbidden', message, { field: param });
  }
}
