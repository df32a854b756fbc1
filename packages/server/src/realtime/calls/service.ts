import { type Audit, authorize, type Rights } from '../../auth/index.ts';
import { HoldfastError, newId, toHoldfastError } from '../../kernel/index.ts';
import type { Models, Upstream } from '../../models/index.ts';
import { startTrace } from '../../platform/telemetry/index.ts';
import { authorizeRow, type Caller, recordAdmin, targetOf } from '../../work/index.ts';
import type { Again } from '../ask-again.ts';
import { failureFields } from '../errors.ts';
import type { KnownEvents } from '../known-event.ts';
import { moneyOf } from '../leased-session.ts';
import type { AdmissionDeps } from '../open-session.ts';
import { openTraced, type TracedSession } from '../open-traced.ts';
import { openingConfig } from '../opening-config.ts';
import { passedOn } from '../passed-on.ts';
import type { Json } from '../preview/session.ts';
import { findByCall } from '../queries.ts';
import type { SessionRegistry } from '../registry.ts';
import { typeOf } from '../session-type.ts';
import { modelOf } from '../socket.ts';
import * as store from '../store.ts';
import type { SessionRow } from '../tables.ts';
import { connectSession, transition } from '../transitions.ts';
import { reportAgain } from '../upstream.ts';
import { CallSession, type CallSessionOptions } from './call-session.ts';
import { hangUpOrphan, isOrphan, isPlaced } from './hang-up.ts';
import type { CallLimits } from './limits.ts';
import { createUpstreamCall, hangUpUpstream } from './upstream-call.ts';

/** The verbs on WebRTC calls. */
export interface Calls {
  /** Places the browser's offer at the provider, as a session of ours. */
  create(caller: Caller, offer: Offer): Promise<Placed>;
  /** Hangs up, wherever the call is held. Hanging up again is no error. */
  hangUp(caller: Caller, callId: string): Promise<void>;
  /** The call, for the creator or an Admin who opens its sideband. */
  forSideband(caller: Caller, callId: string): Promise<SessionRow>;
  /**
   * Takes over a call whose replica is gone. False when another replica was faster, or when the
   * catalogue no longer has the call's model, which expires the session.
   */
  takeOver(sessionId: string): Promise<boolean>;
}

interface Offer {
  readonly sdp: string;
  readonly model: string | null;
  /** What the request itself configures, GA shape. */
  readonly config: Json;
  /** Of the end user, as the provider is told. */
  readonly safetyIdentifier?: string | undefined;
}

interface Placed {
  readonly sdp: string;
  /** Ours (`rtc_…`). */
  readonly callId: string;
  readonly sessionId: string;
}

export interface CallsDeps extends AdmissionDeps {
  readonly models: Models;
  readonly registry: SessionRegistry;
  readonly callLimits?: Partial<CallLimits>;
  readonly knownEvents: KnownEvents;
  readonly configurationTimeoutMs: number;
  readonly audit: Pick<Audit, 'record'>;
  /** Makes the replica that holds a session read its orders. */
  readonly ringReplica: (replica: string) => void;
}

export function createCalls(deps: CallsDeps): Calls {
  return {
    create: (caller, offer) => create(deps, caller, offer),
    hangUp: (caller, callId) => hangUp(deps, caller, callId),
    forSideband: (caller, callId) => forSideband(deps, caller, callId),
    takeOver: sessionId => takeOver(deps, sessionId),
  };
}

async function forSideband(deps: CallsDeps, caller: Caller, callId: string): Promise<SessionRow> {
  const row = await findByCall(deps.database.db, callId);
  const target = row === undefined ? null : targetOf(row);
  const standing = authorize('realtime.sideband', caller.principal, target);
  if (!isPlaced(row!)) {
    throw new HoldfastError('gone', 'This call is over.');
  }
  await recordAdmin(deps.audit, standing, { caller, action: 'calls.sideband', target: callId });
  return row!;
}

async function create(deps: CallsDeps, caller: Caller, offer: Offer): Promise<Placed> {
  const { registry, models } = deps;
  const { principal, requestId } = caller;
  registry.assertAdmitting();
  const config = openingConfig(principal, offer.config, deps.knownEvents);
  if (typeOf(config) === 'translation') {
    throw new HoldfastError(
      'invalid_request',
      'Translations are offered over WebSocket only, at /v1/realtime/translations.',
      { field: 'type' },
    );
  }
  const model = modelOf(models, principal, { name: offer.model, config });
  const upstream = models.upstream(model, principal.projectId);
  const locked = principal.grant?.locked ?? [];
  if (locked.length > 0 && offersMoreThanAudio(offer.sdp)) {
    throw new HoldfastError(
      'forbidden',
      'This client secret locks parts of the configuration. A data channel would go past the ' +
        'locks, so its calls may offer audio only; or connect with a WebSocket.',
      { field: 'sdp' },
    );
  }
  const opened = await openTraced(
    deps,
    { principal, model: model.id, transport: 'webrtc', protocol: 'ga', config },
    { requestId, parent: caller.trace?.context },
  );
  const { row, trace, log } = opened;
  let placed = '';
  try {
    const filtered = locked.length > 0;
    const { sdp } = offer;
    const onAgain = (again: Again) => reportAgain(deps, log, again);
    const passed = passedOn(trace, offer.safetyIdentifier);
    const request = { sdp, session: config, filtered, requestId, passedOn: passed, onAgain };
    const answer = await createUpstreamCall(upstream, request);
    placed = answer.callId;
    await hold(deps, caller, { ...opened, upstream, callId: placed, config, locked });
    return { sdp: answer.sdp, callId: row.call_id!, sessionId: row.id };
  } catch (thrown) {
    if (placed !== '') await hangUpUpstream(upstream, placed, requestId).catch(() => {});
    throw await fail(deps, opened, thrown);
  }
}

/** Connects the session of a call that is placed, and holds its sideband from here on. */
export async function hold(
  deps: CallsDeps,
  { principal, requestId }: Caller,
  call: TracedSession & Pick<CallSessionOptions, 'upstream' | 'callId' | 'config' | 'locked'>,
): Promise<void> {
  const { lease, row, callId, trace, log } = call;
  const { transport } = row;
  await store.setUpstream(deps.database.db, row.id, { upstreamCallId: callId });
  const { traceId } = trace;
  const connected = await connectSession(deps, { lease, transport, protocol: 'ga', traceId });
  if (!connected) throw new HoldfastError('gone', 'The session was ended.');
  const bounds = { requestId, ...boundsOf(deps) };
  const session = new CallSession(deps, { ...call, ...bounds, takenOver: false });
  deps.registry.add(session, principal);
  log.info('client.connected', { transport });
}

/**
 * Whether an offer has, or could be read as having, anything but audio. What a browser sends on a
 * data channel goes to the provider directly, and most of it is never reported to us: a response's
 * own instructions and tools, for instance.
 */
export function offersMoreThanAudio(sdp: string): boolean {
  const media = sdp.split(/[\r\n\v\f\u0085\u2028\u2029]/).filter(line => /^\s*m\s*=/i.test(line));
  return media.some(line => !line.startsWith('m=audio ')) || /application|sctp/i.test(sdp);
}

/** Fails the session of a call that could not be placed; returns the error for the caller. */
export async function fail(
  deps: CallsDeps,
  { lease, row, trace, log }: TracedSession,
  thrown: unknown,
): Promise<HoldfastError> {
  const error = toHoldfastError(thrown);
  log.error('bridge.failed', failureFields(error));
  deps.metrics.upstreamErrors.add(1, { reason: error.code });
  const { code: reason, upstreamCode } = error;
  const input = { type: 'fail' as const, reason, upstreamCode };
  const actor = `replica:${lease.replica}`;
  await deps.accounts.hold(moneyOf(row), lease, () => {}).close();
  const options = { actor, lease, traceId: trace.traceId };
  await transition(deps, lease.subject, input, options).catch((failure: unknown) => {
    log.warn('session.release_failed', { error: failure });
  });
  trace.end();
  return error;
}

async function hangUp(deps: CallsDeps, caller: Caller, callId: string): Promise<void> {
  const row = await authorizeRow(deps, caller, await findByCall(deps.database.db, callId), {
    policy: 'realtime.control',
    action: 'calls.hangup',
    target: callId,
  });
  const { id, replica } = row;
  if (isOrphan(row)) await hangUpOrphan(deps, row, caller.requestId);
  const moved = await transition(
    deps,
    id,
    { type: 'end', reason: 'end_requested' },
    {
      actor: caller.principal.id,
      traceId: caller.trace?.traceId,
      ...(replica !== null && { control: 'end' }),
    },
  );
  if (moved?.to !== null && replica !== null) deps.ringReplica(replica);
}

async function takeOver(deps: CallsDeps, sessionId: string): Promise<boolean> {
  const { database, leases, telemetry, clientSecrets } = deps;
  const taken = await database.transaction(async trx => {
    const lease = await leases.acquire(trx, sessionId);
    if (lease === null) return null;
    const row = (await store.lock(trx, sessionId))!;
    // What was fixed stands in the secret; once that has expired, what is reported first must stay.
    const fixed = row.secret_id === null ? undefined : await clientSecrets.grantOf(row.secret_id);
    return { lease, row, config: fixed?.session ?? {} };
  });
  if (taken === null) return false;
  const { lease, row, config } = taken;
  const callId = row.upstream_call_id;
  const upstream = upstreamOf(deps, row);
  if (upstream === undefined) {
    const input = { type: 'expire' as const, reason: 'model_gone' as const };
    await transition(deps, sessionId, input, { actor: `replica:${lease.replica}`, lease });
    return false;
  }
  const trace = startTrace(telemetry.tracer, 'realtime.call', {
    attributes: { 'gen_ai.request.model': row.model },
  });
  const holds = await connectSession(deps, {
    lease,
    transport: row.transport,
    protocol: 'ga',
    traceId: trace.traceId,
    gap: {
      reason: row.replica === null ? 'drain' : 'replica_lost',
      since: row.last_activity_at,
    },
  });
  if (!holds || callId === null) {
    trace.end();
    await leases.release(database.db, lease);
    return false;
  }
  const requestId = newId('req');
  telemetry.log.info('session.taken_over', { session_id: sessionId, request_id: requestId });
  const locked = row.locked === '' ? [] : row.locked.split(',');
  const held = { lease, row, upstream, callId, requestId, trace, config, locked };
  const session = new CallSession(deps, { ...held, ...boundsOf(deps), takenOver: true });
  deps.registry.add(session, openerOf(row));
  return true;
}

function boundsOf({ callLimits, configurationTimeoutMs }: CallsDeps) {
  return { configurationTimeoutMs, ...(callLimits && { limits: callLimits }) };
}

/** The right that the call was opened with, on whichever replica. */
function openerOf(row: SessionRow): Rights {
  const { created_by: id, project_id: projectId, basis } = row;
  return { id, projectId, role: 'Developer', ...(basis !== null && { basis }) };
}

/** Undefined when the catalogue does not have the call's model any more. */
function upstreamOf(deps: CallsDeps, row: SessionRow): Upstream | undefined {
  const { models, telemetry } = deps;
  try {
    return models.upstream(models.resolve(row.model), row.project_id);
  } catch (error) {
    const { id: session_id, model } = row;
    telemetry.log.warn('call.model_gone', { session_id, model, error });
    return undefined;
  }
}
