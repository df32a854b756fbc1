import {
  type betaSessionRequest,
  CLIENT_SECRET_TTL_DEFAULT_S,
  type clientSecretRequest,
  type legacySessionRequest,
  realtimeSessionConfig,
  type SessionType,
  type translationSecretRequest,
} from '@holdfast/protocol';
import type { z } from 'zod';
import { HoldfastError } from '../kernel/index.ts';
import type { Model, Models } from '../models/index.ts';
import type { Trace } from '../platform/telemetry/index.ts';
import type { Caller } from '../work/index.ts';
import type { ConfigurationCheck } from './check-configuration.ts';
import { SEED_DEFAULTS, type SessionDefaults, withDefaults } from './defaults.ts';
import type { KnownEvents } from './known-event.ts';
import { lockableIn, updateTo } from './locked-config.ts';
import { type AdmissionDeps, mintSession } from './open-session.ts';
import type { Json } from './preview/session.ts';
import {
  sessionToGa,
  sessionToPreview,
  transcriptionToGa,
  transcriptionToPreview,
  Untranslatable,
} from './preview/session.ts';
import { leftOutMessage } from './preview/translate.ts';
import { typeOf } from './session-type.ts';

export interface SecretsDeps extends AdmissionDeps {
  readonly models: Models;
  /** The operator's file; null where there is none. */
  readonly defaults: SessionDefaults | null;
  readonly knownEvents: KnownEvents;
  readonly configurationCheck: ConfigurationCheck;
}

/** Who mints, and for whom. */
export interface Minter extends Caller {
  /** Of the end user the secret is for. */
  readonly safetyIdentifier?: string | undefined;
  readonly trace?: Trace | undefined;
}

type ClientSecretRequest = z.infer<typeof clientSecretRequest | typeof translationSecretRequest>;

type BetaSessionRequest = z.infer<typeof betaSessionRequest>;

/** `POST /v1/realtime/client_secrets`: a token narrowed to a model and a configuration. */
export async function mintSecret(deps: SecretsDeps, by: Minter, request: ClientSecretRequest) {
  const { models } = deps;
  const asked: Json = request.session ?? {};
  const type = typeOf(asked);
  const named = type === 'transcription' ? undefined : (asked.model as string | undefined);
  const model = models.resolve(named ?? models.defaultModel.id);
  const defaults = deps.defaults ?? (request.holdfast?.defaults ? SEED_DEFAULTS : null);
  const session: Json =
    type === 'realtime'
      ? { ...withDefaults(asked, defaults), model: model.id }
      : { ...asked, ...(type === 'translation' && { model: model.id }) };
  const locked = request.holdfast?.locked ?? [];
  if (locked.length > 0) {
    assertLockable(type, locked);
    assertKnown(deps.knownEvents, session);
  }
  await checkConfiguration(deps, by, { model, session });
  const secret = await deps.clientSecrets.mint(by.principal, {
    safetyIdentifier: by.safetyIdentifier,
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
      ...(type !== 'translation' && { object: OBJECTS[type] }),
      // No session exists yet, but the provider's clients expect an id here.
      id: secret.secretId.replace(/^sec_/, 'sess_'),
      expires_at,
    },
  };
}

const OBJECTS = {
  realtime: 'realtime.session',
  transcription: 'realtime.transcription_session',
} as const;

/** A lock on a part that the session does not have would hold nothing. */
function assertLockable(type: SessionType, locked: readonly string[]): void {
  const allowed = lockableIn(type);
  const missing = locked.find(part => !allowed.includes(part));
  if (missing === undefined) return;
  throw new HoldfastError('invalid_request', `A ${type} session has no ${missing} to lock.`, {
    field: 'holdfast.locked',
    allowed,
  });
}

function checkConfiguration(
  { configurationCheck, models }: SecretsDeps,
  { principal: { projectId }, requestId }: Caller,
  { model, session }: { model: Model; session: Json },
): Promise<void> {
  const upstream = models.upstream(model, projectId);
  return configurationCheck.check({ upstream, session, projectId, requestId });
}

/** A misspelt field would lock nothing, so that its lock would hold something else. */
function assertKnown(known: KnownEvents, session: Json): void {
  const part = known.unknownPart(updateTo(session), typeOf(session));
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
  by: Minter,
  { user_id: label = null, ...flat }: z.infer<typeof legacySessionRequest>,
) {
  const { models } = deps;
  const { model: name, ...rest } = flat;
  const leftOut: string[] = [];
  const model = models.resolve(name === undefined ? models.defaultModel.id : String(name));
  const session = {
    ...withDefaults(gaOf(rest, leftOut), deps.defaults ?? SEED_DEFAULTS),
    model: model.id,
  };
  await checkConfiguration(deps, by, { model, session });
  const ttlS = CLIENT_SECRET_TTL_DEFAULT_S;
  const secret = await deps.clientSecrets.mint(by.principal, {
    safetyIdentifier: by.safetyIdentifier,
    model: model.id,
    session,
    locked: [],
    maxSessions: 1,
    ttlS,
  });
  // If this fails, the client never receives the secret, which then expires.
  const row = await deps.database.transaction(trx =>
    mintSession(deps, trx, {
      principal: by.principal,
      traceId: by.trace?.traceId,
      model: model.id,
      config: session,
      secretId: secret.secretId,
      label,
      locked: [],
      expiresInMs: ttlS * 1000,
    }),
  );
  deps.metrics.created(model.id);
  deps.log.ring(row.id);
  const expires_at = epochS(secret.expiresAt);
  return {
    ...sessionToPreview({ ...session, id: row.id, expires_at }),
    client_secret: { value: secret.value, expires_at },
    ...warningOf(leftOut),
  };
}

/** What beta clients mint with: the flat shape in and out, and no session of ours yet. */
export async function mintBetaSession(
  deps: SecretsDeps,
  by: Minter,
  type: 'realtime' | 'transcription',
  { client_secret, ...flat }: BetaSessionRequest,
) {
  const leftOut: string[] = [];
  const session = realtimeSessionConfig.parse(gaOf(flat, leftOut, type));
  const expires_after = client_secret?.expires_after ?? client_secret?.expires_at;
  const minted = await mintSecret(deps, by, { session, expires_after });
  const toPreview = type === 'transcription' ? transcriptionToPreview : sessionToPreview;
  return {
    ...toPreview(minted.session),
    client_secret: { value: minted.value, expires_at: minted.expires_at },
    ...warningOf(leftOut),
  };
}

function gaOf(flat: Json, leftOut: string[], type: SessionType = 'realtime'): Json {
  try {
    if (type === 'transcription') return transcriptionToGa(flat, leftOut);
    return sessionToGa(flat, 'session', leftOut);
  } catch (error) {
    if (!(error instanceof Untranslatable)) throw error;
    throw new HoldfastError('invalid_request', error.message, {
      field: error.param.replace(/^session\./, ''),
    });
  }
}

/** What a minted session says of fields that it does not have. */
function warningOf(leftOut: readonly string[]): Json {
  if (leftOut.length === 0) return {};
  const names = leftOut.map(name => name.replace(/^session\./, ''));
  return { holdfast: { warning: leftOutMessage(names) } };
}

const epochS = (date: Date) => Math.floor(date.getTime() / 1000);
