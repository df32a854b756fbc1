import type { Principal } from '../../auth/index.ts';
import type { Upgrade } from '../../http/index.ts';
import { HoldfastError, toHoldfastError } from '../../kernel/index.ts';
import type { SocketDeps } from '../deps.ts';
import { closeCodeOf, eventOf, failureFields } from '../errors.ts';
import { previewHooks } from '../preview/translate.ts';
import { acceptUpgrade, Relay, rejectSession } from '../relay/index.ts';
import type { Protocol } from '../tables.ts';
import { dial, reportAgain } from '../upstream.ts';
import type { Calls } from './service.ts';

/**
 * A client's own sideband of a call (`?call_id=rtc_…`): relayed to the provider's sideband of that
 * call. It is no session, takes no place, and its end ends nothing: the session's log and usage
 * come from our own sideband.
 */
export async function openClientSideband(
  deps: SocketDeps & { readonly calls: Calls },
  upgrade: Upgrade<Principal>,
  target: { readonly callId: string; readonly protocol: Protocol },
): Promise<void> {
  const { registry, models, ticker, telemetry } = deps;
  registry.assertAdmitting();
  const speaksBeta = target.protocol === 'preview';
  const row = await deps.calls.forSideband(upgrade, target.callId);
  const log = telemetry.log.child({ session_id: row.id, request_id: upgrade.requestId });
  const client = acceptUpgrade({ ...upgrade, speaksBeta });
  log.info('client.connected', { transport: 'sideband' });
  try {
    const { peer } = await dial({
      upstream: models.upstream(models.resolve(row.model), row.project_id),
      target: { callId: row.upstream_call_id! },
      requestId: upgrade.requestId,
      timeoutMs: deps.dialTimeoutMs,
      onAgain: again => reportAgain(deps, log, again),
    });
    const relay: Relay = new Relay({
      client,
      ...(speaksBeta && { guard: previewHooks(event => void relay.inject(event)) }),
      upstream: peer,
      ticker,
      ...(deps.relayLimits && { limits: deps.relayLimits }),
      upstreamFailureEvent: () =>
        eventOf(new HoldfastError('upstream_error', 'The connection to the model was lost.')),
    });
    deps.traffic.add(relay.counters);
    relay.start();
    const sideband = { close: relay.close.bind(relay) };
    const removed = registry.addSideband(sideband, upgrade.principal);
    const { clientCode, initiator } = await relay.closed;
    removed();
    deps.traffic.settle(relay.counters);
    log.info('client.disconnected', { by: initiator, close_code: clientCode });
  } catch (thrown) {
    const error = toHoldfastError(thrown);
    log.error('bridge.failed', failureFields(error));
    deps.metrics.upstreamErrors.add(1, { reason: error.code });
    const { code: reason } = error;
    await rejectSession({ client, events: [eventOf(error)], code: closeCodeOf(error), reason });
  }
}
