import type { clientSecretRequest, legacySessionRequest } from '@holdfast/protocol';
import { CLIENT_SECRET_TTL_DEFAULT_S } from '@holdfast/protocol';
import type { z } from 'zod';
import type { Principal } from '../auth/index.ts';
import { HoldfastError } from '../kernel/index.ts';
import type { Models } from '../models/index.ts';
import { type SessionDefaults, withDefaults } from './defaults.ts';
import type { KnownEvents } from './known-event.ts';
import { type AdmissionDeps, mintSession } from './open-session.ts';
import type { Json } from './preview/session.ts';
import { sessionToGa, sessionToPreview, Untranslatable } from './preview/session.ts';

export interface SecretsDeps extends AdmissionDeps {
  readonly models: Models;
  readonly defaults: SessionDefaults;
  readonly knownEvents: KnownEvents;
}

type ClientSecretRequest = z.infer<typeof clientSecretRequest>;

/** `POST /v1/realtime/client_secrets`: a token narrowed to a model and a configuration. */
export async function mintSecret(
  deps: SecretsDeps,
  principal: Principal,
  request: ClientSecretRequest,
) {
  const { models, defaults } = deps;
  const asked = request.session ?? { type: 'realtime' as const };
  const model = models.resolve(asked.model ?? models.defaultModel.id);
  const session = { ...withDefaults(asked, defaults), model: model.id };
  const locked = request.holdfast?.locked ?? [];
  if (locked.length > 0) assertKnown(deps.knownEvents, session);
  const secret = await deps.clientSecrets.mint(principal, {
    model: model.id,
    session,
    locked,
    maxSessions: request.holdfast?.max_sessions ?? 1,
    ttlS: request.expires_after?.seconds ?? CLIENT_SECRET_TTL_DEFAULT_S,
  });
  const expires_at = epochS(secret.expiresAt);
  return {
    value: secret.value,
    expires_at,
    session: {
      ...session,
      object: 'realtime.session',
      // No session exists yet, but the provider's clients expect an id here.
      id: secret.secretId.replace(/^sec_/, 'sess_'),
      expires_at,
    },
  };
}

/** A misspelt field would lock nothing, so that its lock would hold something else. */
function assertKnown(known: KnownEvents, session: Json): void {
  const part = known.unknownPart({ type: 'session.update', session });
  if (part === undefined) return;
  throw new HoldfastError(
    'invalid_request',
    `${part} is not known, and a secret with locked parts may fix only known fields.`,
    { field: part },
  );
}

/**
 * The seeds' `POST /sessions`: a secret and the session it will open. The answer holds the id of
 * that session, so that the client can upload recordings to it. Who the caller is, its credential
 * says; `user_id` is only kept as the session's label.
 */
export async function mintLegacySession(
  deps: SecretsDeps,
  principal: Principal,
  { user_id: label = null, ...flat }: z.infer<typeof legacySessionRequest>,
) {
  const { models, defaults } = deps;
  const { model: name, ...rest } = flat;
  const model = models.resolve(name === undefined ? models.defaultModel.id : String(name));
  const session = { ...withDefaults(gaOf(rest), defaults), model: model.id };
  const ttlS = CLIENT_SECRET_TTL_DEFAULT_S;
  const secret = await deps.clientSecrets.mint(principal, {
    model: model.id,
    session,
    locked: [],
    maxSessions: 1,
    ttlS,
  });
  // If this fails, the client never receives the secret, which then expires.
  const row = await deps.database.transaction(trx =>
    mintSession(deps, trx, {
      principal,
      model: model.id,
      config: session,
      secretId: secret.secretId,
      label,
      locked: [],
      expiresInMs: ttlS * 1000,
    }),
  );
  deps.metrics.created.add(1, { model: model.id });
  deps.log.ring(row.id);
  const expires_at = epochS(secret.expiresAt);
  return {
    ...sessionToPreview({ ...session, id: row.id, expires_at }),
    client_secret: { value: secret.value, expires_at },
  };
}

function gaOf(flat: Json): Json {
  try {
    return sessionToGa(flat);
  } catch (error) {
    if (!(error instanceof Untranslatable)) throw error;
    throw new HoldfastError('invalid_request', error.message, {
      field: error.param.replace(/^session\./, ''),
    });
  }
}

const epochS = (date: Date) => Math.floor(date.getTime() / 1000);
