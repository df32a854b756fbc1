import type { SessionType } from '@holdfast/protocol';
import { type Audit, authorize, type Principal } from '../../auth/index.ts';
import type { Upgrade, UpgradeRoute } from '../../http/index.ts';
import { HoldfastError, isId, toHoldfastError } from '../../kernel/index.ts';
import { recordAdmin, targetOf } from '../../work/index.ts';
import { openClientSideband } from '../calls/client-sideband.ts';
import type { Calls } from '../calls/service.ts';
import { SEED_DEFAULTS, type SessionDefaults, withDefaults } from '../defaults.ts';
import type { SocketDeps } from '../deps.ts';
import { closeCodeOf, eventOf } from '../errors.ts';
import { find } from '../queries.ts';
import { acceptUpgrade, offersBeta, rejectSession } from '../relay/index.ts';
import { resumeByHandle, resumeBySecret } from '../resume-socket.ts';
import { typeOf } from '../session-type.ts';
import { openSocket } from '../socket.ts';
import type { Protocol } from '../tables.ts';

/**
 * The WebSocket routes: the provider's GA paths, its preview path, and the seeds'.
 *
 * With `?resume=` each goes on with the session of that handle, whichever path opened it.
 */
export interface UpgradeDeps extends SocketDeps {
  readonly calls: Calls;
  readonly audit: Pick<Audit, 'record'>;
  readonly defaults: SessionDefaults | null;
}

type Route = UpgradeRoute<Principal>;

export function realtimeUpgrades(deps: UpgradeDeps): Route[] {
  const config = { policy: 'realtime.socket', errors: 'openai' } as const;
  const own = { ...config, errors: 'problem' } as const;
  const spoken =
    (handle: typeof ga): Route['handle'] =>
    upgrade => {
      const resume = upgrade.url.searchParams.get('resume');
      const opened =
        resume === null ? open(handle, deps, upgrade) : resumeByHandle(deps, upgrade, resume);
      return opened.catch(thrown => refuseInWords(deps, upgrade, thrown));
    };
  return [
    { path: '/v1/realtime', config, handle: spoken(ga) },
    { path: '/openai/v1/realtime', config, handle: spoken(ga) },
    { path: '/v1/realtime/translations', config, handle: spoken(translation) },
    { path: '/openai/v1/realtime/translations', config, handle: spoken(translation) },
    { path: '/openai/realtime', config, handle: spoken(preview) },
    { path: '/ws', config: own, handle: spoken(bridge) },
    { path: '/api/v1/realtime/webrtc/:session_id', config: own, handle: spoken(mintedSession) },
  ];
}

/** An expired client secret opens nothing, but is still the way back into what it has opened. */
async function open(handle: typeof ga, deps: UpgradeDeps, upgrade: Upgrade<Principal>) {
  const { principal } = upgrade;
  if (principal.grant?.isOver && (await resumeBySecret(deps, upgrade))) return;
  authorize('realtime.connect', principal);
  await handle(deps, upgrade);
}

/** What the same request will meet again: the caller must change it, or have a budget raised. */
const SPOKEN: ReadonlySet<string> = new Set([
  'unknown_model',
  'invalid_request',
  'budget_exceeded',
]);

/**
 * Clients show no body of a refused upgrade, and browsers not even its status. So what trying again
 * does not mend is said as the provider says it: the handshake succeeds, an `error` event and a
 * close follow. Everything else is answered over HTTP, which proxies and probes understand.
 */
async function refuseInWords(
  deps: UpgradeDeps,
  upgrade: Upgrade<Principal>,
  thrown: unknown,
): Promise<void> {
  const error = toHoldfastError(thrown);
  const { code, field } = error;
  // Whether somebody may do a thing at all is answered like everywhere else.
  const isOtherModel = code === 'forbidden' && field === 'model';
  const isOver = code === 'gone' && field === 'resume';
  if (!SPOKEN.has(code) && !isOtherModel && !isOver) throw error;
  deps.telemetry.log.info('session.refused', { request_id: upgrade.requestId, code, field });
  const client = acceptUpgrade({ ...upgrade, speaksBeta: spokenBy(upgrade) === 'preview' });
  const events = [eventOf(error)];
  await rejectSession({ client, events, code: closeCodeOf(error), reason: code });
}

/** What the client says it speaks: beta clients send a header, in browsers a subprotocol. */
function spokenBy({ request }: Upgrade<Principal>): Protocol {
  const header = String(request.headers['openai-beta'] ?? '');
  const names = header.split(',').map(name => name.trim());
  return names.includes('realtime=v1') || offersBeta(request) ? 'preview' : 'ga';
}

/** A client secret for transcription opens that without being told so again. */
function typeAsked({ url, principal }: Upgrade<Principal>): SessionType {
  const intent = url.searchParams.get('intent');
  if (intent === null) {
    const granted = typeOf(principal.grant?.session ?? {});
    const silent = granted === 'transcription' && !url.searchParams.has('model');
    return silent ? granted : 'realtime';
  }
  if (intent === 'transcription') return intent;
  throw new HoldfastError('invalid_request', 'There is no such intent.', {
    field: 'intent',
    allowed: ['transcription'],
  });
}

async function ga(deps: UpgradeDeps, upgrade: Upgrade<Principal>): Promise<void> {
  const { searchParams } = upgrade.url;
  const given = ['model', 'intent', 'call_id'].filter(name => searchParams.has(name));
  if (given.length > 1) {
    throw new HoldfastError('invalid_request', `Give one of ${given.join(' and ')}, not both.`, {
      field: given.at(-1)!,
    });
  }
  const callId = searchParams.get('call_id');
  if (callId === null) {
    const model = searchParams.get('model');
    const config = { type: typeAsked(upgrade) };
    return openSocket(deps, upgrade, { protocol: spokenBy(upgrade), model, config });
  }
  return openClientSideband(deps, upgrade, { callId, protocol: spokenBy(upgrade) });
}

async function translation(deps: UpgradeDeps, upgrade: Upgrade<Principal>): Promise<void> {
  const { searchParams } = upgrade.url;
  const model = searchParams.get('model');
  return openSocket(deps, upgrade, { protocol: 'ga', model, config: { type: 'translation' } });
}

/** Azure's preview path names a deployment; `model` is what OpenAI's preview clients sent. */
async function preview(deps: UpgradeDeps, upgrade: Upgrade<Principal>): Promise<void> {
  const { searchParams } = upgrade.url;
  const model = searchParams.get('deployment') ?? searchParams.get('model');
  const config = { type: typeAsked(upgrade) };
  return openSocket(deps, upgrade, { protocol: 'preview', model, config });
}

/** The seed's bridge: one model, no parameters; its session's defaults, unless a secret has one. */
async function bridge(deps: UpgradeDeps, upgrade: Upgrade<Principal>): Promise<void> {
  const { searchParams } = upgrade.url;
  const { grant } = upgrade.principal;
  const model = searchParams.get('model') ?? grant?.model ?? deps.models.defaultModel.id;
  const type = { type: 'realtime' };
  const config = grant ? type : withDefaults(type, deps.defaults ?? SEED_DEFAULTS);
  const protocol = spokenBy(upgrade);
  return openSocket(deps, upgrade, { protocol, orPreview: true, model, config });
}

/**
 * The session that `POST /sessions` minted, by its id: with its secret, by its creator or by an
 * Admin. Each of them opens what was minted: its configuration and locked parts, in its creator's
 * place, and the secret counts as used.
 */
async function mintedSession(deps: UpgradeDeps, upgrade: Upgrade<Principal>): Promise<void> {
  const sessionId = upgrade.params.session_id ?? '';
  const row = isId('ses', sessionId) ? await find(deps.database.db, sessionId) : undefined;
  const target = row === undefined ? null : targetOf(row);
  const { principal, requestId } = upgrade;
  const standing = authorize('realtime.control', principal, target);
  const { created_by, secret_id, model } = row!;
  const minted = row!.state === 'created' && !row!.holds_place && secret_id !== null;
  const grant = minted ? await deps.clientSecrets.grantOf(secret_id) : undefined;
  if (grant === undefined) {
    throw new HoldfastError('conflict', 'This session was already used, or has expired.');
  }
  const caller = { principal, requestId };
  await recordAdmin(deps.audit, standing, { caller, action: 'sessions.open', target: sessionId });
  const opener = { ...upgrade, principal: { ...principal, id: created_by, grant } };
  return openSocket(deps, opener, {
    protocol: spokenBy(upgrade),
    orPreview: true,
    model,
    config: {},
    sessionId,
  });
}
