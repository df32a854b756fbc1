import type { IncomingHttpHeaders } from 'node:http';
import type { RealtimeSessionConfig } from '@holdfast/protocol';
import { authorize } from '../../auth/index.ts';
import { HoldfastError, parseJson } from '../../kernel/index.ts';
import { isUniqueViolation } from '../../platform/database/index.ts';
import { authorizeRow, type Caller, targetOf } from '../../work/index.ts';
import { hangUpPersistently, isPlaced } from '../calls/hang-up.ts';
import { type CallsDeps, fail, hold } from '../calls/service.ts';
import { commandUpstream, hangUpUpstream, mayBeTaken } from '../calls/upstream-call.ts';
import { openTraced, type TracedSession } from '../open-traced.ts';
import { isObject } from '../preview/session.ts';
import { findByCall } from '../queries.ts';
import { announceCall, forgetCall, isAnnounced } from '../store.ts';
import { isSigned, WEBHOOK_HEADERS } from './signature.ts';

/**
 * Calls by telephone. The provider answers the line; it tells a webhook that a call comes in, and a
 * back end accepts it here by its id, from which on it is a session like a WebRTC call: place,
 * budget, log, usage and expiry by its sideband. Media never passes here.
 *
 *   announced (webhook, signed) ──accept──▶ session ──refer, hang-up, expiry──▶ over
 *       └──reject──▶ over
 *
 * With a webhook secret set, only calls that a signed webhook announced are accepted, and the
 * webhook is passed on as it came to the back end that the operator names. Without one the back end
 * gets the webhook from the provider, and this knows nothing of a call before it is accepted.
 */
export interface SipDeps extends CallsDeps {
  readonly sip: SipSettings;
}

export interface SipSettings {
  /** The provider's signing secret; undefined where there is none. */
  readonly secret: () => Promise<string | undefined>;
  /** The back end that verified webhooks are passed on to. */
  readonly forwardTo: string | null;
  /** The only project whose principals may accept or reject calls; null: any may. */
  readonly projectId: string | null;
}

export interface SipCalls {
  /** A webhook as it came. Answers the back end's status; throws where it is not signed. */
  announce(message: { headers: IncomingHttpHeaders; body: Buffer }): Promise<number>;
  accept(caller: Caller, callId: string, config: RealtimeSessionConfig): Promise<void>;
  /** Refuses a call that nobody has accepted. */
  reject(caller: Caller, callId: string, body: { status_code?: number }): Promise<void>;
  /** Transfers an accepted call. */
  refer(caller: Caller, callId: string, body: { target_uri: string }): Promise<void>;
}

const FORWARD_TIMEOUT_MS = 10_000;
const CALL_ID = /^[A-Za-z0-9_-]{1,200}$/;

export function createSipCalls(deps: SipDeps): SipCalls {
  return {
    announce: message => announce(deps, message),
    accept: (caller, callId, config) => accept(deps, caller, callId, config),
    async reject(caller, callId, body) {
      await assertFree(deps, caller, callId);
      const upstream = deps.models.upstream(deps.models.defaultModel, caller.principal.projectId);
      await commandUpstream(upstream, {
        callId,
        verb: 'reject',
        body,
        requestId: caller.requestId,
      });
    },
    async refer(caller, callId, body) {
      const row = await authorizeRow(deps, caller, await findByCall(deps.database.db, callId), {
        policy: 'realtime.sideband',
        action: 'calls.refer',
        target: callId,
      });
      if (row.transport !== 'sip') {
        throw new HoldfastError('invalid_request', 'Only calls by telephone can be transferred.');
      }
      if (!isPlaced(row)) throw new HoldfastError('gone', 'This call is over.');
      const { upstream_call_id, model, project_id } = row;
      const upstream = deps.models.upstream(deps.models.resolve(model), project_id);
      const { requestId } = caller;
      await commandUpstream(upstream, { callId: upstream_call_id, verb: 'refer', body, requestId });
    },
  };
}

async function announce(
  { sip, database, telemetry }: SipDeps,
  message: { headers: IncomingHttpHeaders; body: Buffer },
): Promise<number> {
  const secret = await sip.secret();
  if (secret === undefined) {
    throw new HoldfastError(
      'not_found',
      'No webhook is taken here: OPENAI_WEBHOOK_SECRET is not set.',
    );
  }
  if (!isSigned(message, secret, Date.now())) {
    throw new HoldfastError('unauthenticated', 'The signature of this webhook is not valid.');
  }
  const event = parseJson(message.body.toString('utf8'), 'The webhook');
  const { type, data } = isObject(event) ? event : {};
  const callId = isObject(data) ? data.call_id : undefined;
  if (type === 'realtime.call.incoming') {
    if (typeof callId !== 'string' || !CALL_ID.test(callId)) {
      throw new HoldfastError('invalid_request', 'The webhook names no call.', {
        field: 'data.call_id',
      });
    }
    await announceCall(database.db, callId);
  }
  const status = await forward(sip.forwardTo, message);
  telemetry.log.info('webhook.received', { type: String(type).slice(0, 100), forwarded: status });
  return status ?? 200;
}

/** The back end verifies again: body and the three headers are those of the provider. */
async function forward(
  url: string | null,
  message: { headers: IncomingHttpHeaders; body: Buffer },
): Promise<number | undefined> {
  if (url === null) return undefined;
  const headers = Object.fromEntries(
    ['content-type', 'user-agent', ...WEBHOOK_HEADERS].map(name => [
      name,
      String(message.headers[name] ?? ''),
    ]),
  );
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: new Uint8Array(message.body),
      redirect: 'error',
      signal: AbortSignal.timeout(FORWARD_TIMEOUT_MS),
    });
    await response.body?.cancel();
    return response.status;
  } catch (cause) {
    // The provider sends it again.
    throw new HoldfastError('unavailable', 'The back end for webhooks cannot be reached.', {
      cause,
      retryAfterS: 5,
    });
  }
}

/** Throws unless the call is free, as far as the caller may know, and was announced. */
async function assertFree(deps: SipDeps, caller: Caller, callId: string): Promise<void> {
  const row = await findByCall(deps.database.db, callId);
  authorize('realtime.answer', caller.principal, row === undefined ? undefined : targetOf(row));
  if (row !== undefined) throw new HoldfastError('conflict', 'This call is taken already.');
  const { projectId } = deps.sip;
  const isTheirs = projectId === null || projectId === caller.principal.projectId;
  const known = isTheirs && CALL_ID.test(callId);
  const announced = (await deps.sip.secret()) === undefined || !known;
  if (known && (announced || (await isAnnounced(deps.database.db, callId)))) return;
  throw new HoldfastError('not_found', 'No such call has come in.', { field: 'call_id' });
}

async function accept(
  deps: SipDeps,
  caller: Caller,
  callId: string,
  config: RealtimeSessionConfig,
): Promise<void> {
  const { models, registry } = deps;
  const { principal, requestId } = caller;
  registry.assertAdmitting();
  await assertFree(deps, caller, callId);
  const model = models.resolve(config.model ?? models.defaultModel.id);
  const upstream = models.upstream(model, principal.projectId);
  const opened = await open(deps, caller, { callId, model: model.id, config });
  let accepted = false;
  try {
    const body = { ...config, type: 'realtime', model: upstream.deployment };
    await commandUpstream(upstream, { callId, verb: 'accept', body, requestId });
    accepted = true;
    await hold(deps, caller, { ...opened, upstream, callId, config, locked: [] });
  } catch (thrown) {
    if (accepted || mayBeTaken(thrown)) {
      const hangUp = () => hangUpUpstream(upstream, callId, requestId);
      await hangUpPersistently(opened.log, hangUp, deps.callLimits);
    }
    const error = await fail(deps, opened, thrown);
    // The call may still ring: another try must find its id free.
    if (!accepted) await forgetCall(deps.database.db, opened.row.id);
    throw error;
  }
}

/** Two back ends that accept one call at once: the row of the second cannot have its id. */
async function open(
  deps: SipDeps,
  { principal, requestId, trace }: Caller,
  call: { callId: string; model: string; config: RealtimeSessionConfig },
): Promise<TracedSession> {
  const request = { principal, transport: 'sip' as const, protocol: 'ga' as const, ...call };
  try {
    return await openTraced(deps, request, { requestId, parent: trace?.context });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new HoldfastError('conflict', 'This call is taken already.', { cause: error });
  }
}
