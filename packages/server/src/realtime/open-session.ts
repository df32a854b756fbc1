import type { Allowances, ClientSecrets, Limits, Principal } from '../auth/index.ts';
import { HoldfastError, newId, newUuidV7 } from '../kernel/index.ts';
import type { VoiceAccounts } from '../models/index.ts';
import type { Trx } from '../platform/database/index.ts';
import type { Lease } from '../platform/leases/index.ts';
import { boundedText } from '../work/index.ts';
import { moneyOf } from './leased-session.ts';
import { voiceOf } from './log-events.ts';
import { transcriptionModelOf } from './meter.ts';
import type { Json } from './preview/session.ts';
import { findMinted } from './queries.ts';
import { typeOf } from './session-type.ts';
import * as store from './store.ts';
import type { Protocol, SessionRow, Transport } from './tables.ts';
import type { TransitionDeps } from './transitions.ts';

/**
 * How sessions come into being: minted (a row without a place, for the seeds' `POST /sessions`), or
 * opened by a client that is here. Opening takes a place, the client secret's use and the lease in
 * one transaction; an advisory lock per owner makes two replicas that race count one after the
 * other.
 */
export interface AdmissionDeps extends TransitionDeps {
  readonly limits: Pick<Limits, 'of'>;
  /** The longest a session may last. */
  readonly maxSessionMs: number;
  readonly clientSecrets: Pick<ClientSecrets, 'mint' | 'consume' | 'grantOf'>;
  readonly accounts: Pick<VoiceAccounts, 'open' | 'hold'>;
}

export interface OpenRequest {
  readonly principal: Principal;
  /** The catalogue's id. */
  readonly model: string;
  readonly transport: Transport;
  readonly protocol: Protocol;
  /** What is known of the configuration (GA shape). */
  readonly config: Json;
  /** The provider's id of a telephone call. */
  readonly callId?: string;
  /** Set where the client names the minted session it wants to use. */
  readonly sessionId?: string;
  readonly traceId?: string | undefined;
}

export interface Opened {
  readonly lease: Lease;
  readonly row: SessionRow;
}

/** When to try again while all places are taken. */
const LIMIT_RETRY_AFTER_S = 10;

export async function openSession(deps: AdmissionDeps, request: OpenRequest): Promise<Opened> {
  const { principal } = request;
  const id = newId('ses');
  const appendId = newUuidV7();
  // Before the transaction, which holds a connection already.
  const allowances = await deps.limits.of(principal);
  const opened = await deps.database.transaction(async trx => {
    const places = await countFree(trx, principal, allowances);
    const minted = await takeMinted(deps, trx, request);
    const row = minted ?? (await register(deps, trx, { id, request }));
    const lease = await deps.leases.acquire(trx, row.id);
    if (lease === null) throw new HoldfastError('conflict', 'This session is in use.');
    await reserveFirst(deps, trx, { row, request });
    if (minted === undefined) {
      await deps.log.append(trx, { ...created(row, request), appendId, fence: lease.fence });
    }
    return { row, lease, places: places + 1, fresh: minted === undefined };
  });
  deps.metrics.perOwner.record(opened.places);
  if (opened.fresh) deps.metrics.created(request.model);
  deps.log.ring(opened.row.id);
  return opened;
}

/** How many places the owner has taken; throws `session_limit` where none is left for it. */
async function countFree(
  trx: Trx,
  { id, projectId }: Principal,
  { name, own, project }: Allowances,
): Promise<number> {
  const owner = { created_by: id };
  await store.lockPlaces(trx, owner);
  const places = await store.countPlaces(trx, owner);
  if (places >= own.maxSessions) throw await noPlace(trx, owner, { name, max: own.maxSessions });
  if (project.maxSessions === null) return places;
  const all = { project_id: projectId };
  await store.lockPlaces(trx, all);
  if ((await store.countPlaces(trx, all)) >= project.maxSessions) {
    throw await noPlace(trx, all, { name: 'this project', max: project.maxSessions });
  }
  return places;
}

/** Says which limit it is, and when a place will be free. */
async function noPlace(
  trx: Trx,
  of: store.PlaceHolder,
  { name, max }: { name: string; max: number },
): Promise<HoldfastError> {
  const free = await store.placeFreeAt(trx, of);
  const when = free === null ? '' : ` A place is free at ${free.toISOString()} at the latest.`;
  const text = `At most ${max} sessions of ${name} may be active at once. End one, or wait.${when}`;
  return new HoldfastError('session_limit', text, { retryAfterS: LIMIT_RETRY_AFTER_S });
}

/** Refuses a session whose first response is more than a budget allows. */
async function reserveFirst(
  deps: AdmissionDeps,
  trx: Trx,
  { row, request }: { row: SessionRow; request: OpenRequest },
): Promise<void> {
  const { max_output_tokens } = request.config;
  await deps.accounts.open(trx, moneyOf(row), {
    maxOutputTokens: typeof max_output_tokens === 'number' ? max_output_tokens : undefined,
    transcriptionModel: transcriptionModelOf(request.config),
  });
}

/** The session that was minted for this client, with its place; undefined where there is none. */
async function takeMinted(
  deps: AdmissionDeps,
  trx: Trx,
  request: OpenRequest,
): Promise<SessionRow | undefined> {
  const { principal, sessionId } = request;
  const secretId = principal.grant?.secretId;
  const minted = secretId === undefined ? undefined : await findMinted(trx, secretId);
  const id = sessionId ?? minted?.id;
  if (secretId !== undefined)
    await deps.clientSecrets.consume(trx, secretId, deps.maxSessionMs / 1000);
  if (id === undefined) return undefined;
  const admission = {
    transport: request.transport,
    protocol: request.protocol,
    callId: request.transport === 'webrtc' ? newId('rtc') : null,
    basis: principal.basis ?? null,
    replica: deps.leases.replica,
    revision: deps.revision,
    expiresInMs: deps.maxSessionMs,
  };
  const row = await store.admit(trx, id, admission);
  if (row === undefined) throw new HoldfastError('conflict', 'This session was already used.');
  return row;
}

async function register(
  deps: AdmissionDeps,
  trx: Trx,
  fresh: { id: string; request: OpenRequest },
): Promise<SessionRow> {
  const { id, request } = fresh;
  const { principal, transport } = request;
  const { projectId } = principal;
  await deps.log.create(trx, { id, kind: 'session', projectId, createdBy: principal.id });
  return await store.insert(trx, {
    id,
    projectId,
    createdBy: principal.id,
    type: typeOf(request.config),
    transport,
    protocol: request.protocol,
    model: request.model,
    voice: voiceOf(request.config),
    secretId: principal.grant?.secretId ?? null,
    basis: principal.basis ?? null,
    locked: principal.grant?.locked ?? [],
    callId: transport === 'webrtc' ? newId('rtc') : (request.callId ?? null),
    expiresInMs: deps.maxSessionMs,
    replica: deps.leases.replica,
    revision: deps.revision,
  });
}

function created(row: SessionRow, request: Pick<OpenRequest, 'principal' | 'config' | 'traceId'>) {
  const { instructions } = request.config;
  return {
    subject: row.id,
    actor: request.principal.id,
    traceId: request.traceId,
    events: [
      {
        type: 'session.created' as const,
        data: {
          type: row.type,
          model: row.model,
          voice: row.voice,
          transport: row.transport,
        },
        ...(typeof instructions === 'string' && {
          private: { instructions: boundedText(instructions) },
        }),
      },
    ],
  };
}

export interface MintRequest {
  readonly principal: Principal;
  readonly traceId?: string | undefined;
  readonly model: string;
  readonly config: Json;
  /** The client secret that will open it. */
  readonly secretId: string;
  readonly label: string | null;
  readonly locked: readonly string[];
  readonly expiresInMs: number;
}

/** Registers a session for a secret. It holds no place until its client arrives. */
export async function mintSession(
  deps: AdmissionDeps,
  trx: Trx,
  request: MintRequest,
): Promise<SessionRow> {
  const { principal } = request;
  const id = newId('ses');
  const { projectId } = principal;
  await deps.log.create(trx, { id, kind: 'session', projectId, createdBy: principal.id });
  const row = await store.insert(trx, {
    id,
    projectId,
    createdBy: principal.id,
    type: typeOf(request.config),
    transport: 'webrtc',
    protocol: 'ga',
    model: request.model,
    voice: voiceOf(request.config),
    secretId: request.secretId,
    label: request.label,
    basis: null,
    locked: request.locked,
    callId: null,
    expiresInMs: request.expiresInMs,
    replica: null,
    revision: null,
  });
  await deps.log.append(trx, { ...created(row, request), appendId: newUuidV7() });
  return row;
}
