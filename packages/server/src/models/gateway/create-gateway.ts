import { runTokenOf, unauthenticated } from '../../auth/index.ts';
import { type Clock, newId } from '../../kernel/index.ts';
import type { Database } from '../../platform/database/index.ts';
import type { Telemetry } from '../../platform/telemetry/index.ts';
import type { HostedToolsPolicy } from '../hosted-tools/hosted-tools.ts';
import type { Models } from '../models.ts';
import type { ProviderKeys } from '../provider-keys/provider-keys.ts';
import { CallLimiter } from './call-limiter.ts';
import type { ModelGateway } from './gateway.ts';
import { GATEWAY_LIMITS, type GatewayLimits } from './limits.ts';
import { issueRunToken, type ModelCaller, revokeRunTokens, verifyRunToken } from './run-tokens.ts';
import { type Exchange, type ServeDeps, serve } from './serve.ts';
import { Watchers } from './watchers.ts';

export interface ModelGatewayDeps {
  readonly database: Database;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly models: Models;
  readonly providerKeys: Pick<ProviderKeys, 'current'>;
  readonly hostedTools: Pick<HostedToolsPolicy, 'check'>;
  readonly limits?: Partial<GatewayLimits>;
}

/** The gateway, and what its HTTP routes need. */
export interface RoutedModelGateway extends ModelGateway {
  /**
   * `identify` answers the caller, or undefined: the run of the request's token; it is asked again
   * once a late body is here. Never throws.
   */
  serve(
    exchange: Exchange,
    identify: (again: boolean) => Promise<ModelCaller | undefined>,
  ): Promise<void>;
}

const BASE = 'http://gateway';

export function createModelGateway(deps: ModelGatewayDeps): RoutedModelGateway {
  const limits = { ...GATEWAY_LIMITS, ...deps.limits };
  const watchers = new Watchers(deps.telemetry.log);
  const all: ServeDeps = { ...deps, limits, watchers, callLimiter: new CallLimiter(limits) };
  const fromToken = async ({ request, url }: Exchange, only?: string) => {
    const token = runTokenOf(request.headers, url.searchParams);
    const caller = await verifyRunToken(deps.database.db, token);
    if (caller === undefined || (only !== undefined && caller.runId !== only)) {
      throw unauthenticated();
    }
    return caller;
  };
  return {
    issueRunToken,
    revokeRunTokens,
    watch: (runId, listener) => watchers.add(runId, listener),
    serve: (exchange, identify) =>
      serve(all, exchange, async (_, again) => (await identify(again)) ?? fromToken(exchange)),
    handle(request, response, { runId }) {
      const requestId = newId('req');
      response.setHeader('x-request-id', requestId);
      response.on('error', () => {});
      const url = URL.parse(request.url ?? '/', BASE) ?? new URL(BASE);
      void serve(all, { request, response, requestId, url }, one => fromToken(one, runId));
    },
  };
}
