import type { Principal } from '../auth/index.ts';
import type { Upgrade } from '../http/index.ts';
import { HoldfastError } from '../kernel/index.ts';
import type { Models } from '../models/index.ts';
import { incomingContext } from '../platform/telemetry/index.ts';
import type { SocketDeps } from './deps.ts';
import { openTraced } from './open-traced.ts';
import { openingConfig } from './opening-config.ts';
import { passedOn, safetyIdentifierOf } from './passed-on.ts';
import type { Json } from './preview/session.ts';
import { acceptUpgrade } from './relay/index.ts';
import { RelayedSession } from './relayed-session.ts';
import { resumeBySecret } from './resume-socket.ts';
import { typeOf } from './session-type.ts';
import type { Protocol } from './tables.ts';

export interface SocketRequest {
  readonly protocol: Protocol;
  /** The client may turn out to speak preview: a route whose clients cannot say so. */
  readonly orPreview?: boolean;
  /** As the client named it; null for the model of the client secret. */
  readonly model: string | null;
  /**
   * Sent upstream before the client's first event (GA shape); without more than its `type`, which
   * is the session's, nothing is sent.
   */
  readonly config: Json;
  /** The minted session that the client's URL names, if it names one. */
  readonly sessionId?: string;
}

/**
 * A client's WebSocket becomes a session, or goes on with the one of its secret: resolve the model,
 * take a place and the lease, answer the handshake, and hand over to `RelayedSession`. What fails
 * before the handshake is answered with an HTTP error and leaves nothing behind; what fails later
 * becomes an `error` event and a close.
 */
export async function openSocket(
  deps: SocketDeps,
  upgrade: Upgrade<Principal>,
  request: SocketRequest,
): Promise<void> {
  const { principal } = upgrade;
  if (await resumeBySecret(deps, upgrade)) return;
  deps.registry.assertAdmitting();
  const config = openingConfig(principal, request.config, deps.knownEvents);
  const model = modelOf(deps.models, principal, { name: request.model, config });
  const { protocol, orPreview = false, sessionId } = request;
  const { headers } = upgrade.request;
  const safetyIdentifier = safetyIdentifierOf(principal, headers);
  const opened = await openTraced(
    deps,
    {
      principal,
      model: model.id,
      transport: 'websocket',
      protocol,
      config,
      ...(sessionId !== undefined && { sessionId }),
    },
    { requestId: upgrade.requestId, parent: incomingContext(headers) },
  );
  const { trace } = opened;
  const session = new RelayedSession(deps, {
    client: acceptUpgrade({ ...upgrade, speaksBeta: protocol === 'preview' }),
    requestId: upgrade.requestId,
    trace,
    passedOn: passedOn(trace, safetyIdentifier),
    lease: opened.lease,
    row: opened.row,
    upstream: deps.models.upstream(model, principal.projectId),
    model: model.id,
    protocol,
    orPreview,
    acknowledges: upgrade.url.searchParams.get('acknowledge') === 'true',
    config,
    locked: principal.grant?.locked ?? [],
    safetyIdentifier,
  });
  deps.registry.add(session, principal);
}

/**
 * The model of a session. Transcriptions name theirs in their configuration, and may do so later:
 * they run where the default model does.
 */
export function modelOf(
  models: Models,
  principal: Principal,
  session: { readonly name: string | null; readonly config: Json },
) {
  const { name, config } = session;
  if (typeOf(config) !== 'transcription') return modelFor(models, principal, name);
  return models.resolve(principal.grant?.model ?? models.defaultModel.id);
}

/** The model a caller gets. A client secret is for one model; naming another is refused. */
function modelFor(models: Models, principal: Principal, name: string | null) {
  const granted = principal.grant?.model;
  const model = models.resolve(name ?? granted);
  if (granted !== undefined && models.resolve(granted).id !== model.id) {
    throw new HoldfastError('forbidden', 'This client secret is for another model.', {
      field: 'model',
      allowed: [granted],
    });
  }
  return model;
}
