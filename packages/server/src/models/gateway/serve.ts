import type { IncomingMessage, ServerResponse } from 'node:http';
import { unauthenticated } from '../../auth/index.ts';
import { errorAnswer } from '../../http/index.ts';
import { HoldfastError, toHoldfastError } from '../../kernel/index.ts';
import type { HostedToolsPolicy } from '../hosted-tools/hosted-tools.ts';
import type { Models } from '../models.ts';
import type { ProviderKeys } from '../provider-keys/provider-keys.ts';
import { type AccountsDeps, openAccount } from './accounts.ts';
import { sortBetas } from './betas.ts';
import type { CallLimiter } from './call-limiter.ts';
import { forward } from './forward.ts';
import type { GatewayLimits } from './limits.ts';
import { type ModelCallRoute, matchRoute, shapeOf } from './paths.ts';
import { prepare, readBody } from './prepare.ts';
import type { ModelCaller } from './run-tokens.ts';
import { forwardedHeaders } from './upstream-call.ts';

export interface ServeDeps extends AccountsDeps {
  readonly models: Models;
  readonly providerKeys: Pick<ProviderKeys, 'current'>;
  readonly hostedTools: Pick<HostedToolsPolicy, 'check'>;
  readonly limits: GatewayLimits;
  readonly callLimiter: CallLimiter;
}

/** One request of the gateway, from the HTTP server or a run's socket. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly url: URL;
  /** Aborted once the caller's right is over; absent: it lasts as long as the request. */
  readonly over?: AbortSignal;
}

/** Authenticates the caller; `again`: once a late body is here. Throws the error to answer. */
export type Identify = (exchange: Exchange, again: boolean) => Promise<ModelCaller>;

/** Answers the request in every case. Never throws. */
export async function serve(deps: ServeDeps, exchange: Exchange, identify: Identify) {
  try {
    const { request, url } = exchange;
    const route = matchRoute(request.method ?? '', url.pathname);
    if (route === undefined) throw new HoldfastError('not_found', 'No such route.');
    const caller = await identify(exchange, false);
    if (route.kind === 'list') return sendModels(deps, exchange);
    const place = deps.callLimiter.enter(caller.runId ?? `${caller.projectId} ${caller.owner}`);
    try {
      const bodyIsLate = !request.complete;
      const bytes = await readBody(request, deps.limits.maxBodyBytes, place);
      if (bodyIsLate) await identify(exchange, true);
      endWithRight(exchange);
      await call(deps, exchange, { route, caller, bytes });
    } finally {
      place.leave();
    }
  } catch (error) {
    refuse(deps, exchange, error);
  }
}

/** A call that is under way is cut; one that has not begun is refused. */
function endWithRight({ over, response }: Exchange): void {
  if (over?.aborted) throw unauthenticated();
  over?.addEventListener('abort', () => response.destroy());
}

async function call(
  deps: ServeDeps,
  exchange: Exchange,
  asked: {
    readonly route: ModelCallRoute;
    readonly caller: ModelCaller;
    readonly bytes: Buffer;
  },
): Promise<void> {
  const { route, caller, bytes } = asked;
  const startedAt = performance.now();
  const prepared = await prepare(deps.models, route, bytes);
  await deps.hostedTools.check(caller.projectId, prepared.hosted);
  const upstream = deps.models.textUpstream(prepared.model);
  const ownKey = await deps.providerKeys.current(caller.projectId, upstream.keyProvider);
  const credentials = await upstream.headers(ownKey);
  const betas = sortBetas(
    String(exchange.request.headers['anthropic-beta'] ?? ''),
    prepared.hosted,
    prepared.model.context_tokens,
  );
  tellChanges(exchange.response, { dropped: betas.dropped, loweredTo: prepared.loweredTo });
  const account = route.metered ? await openAccount(deps, caller, prepared) : undefined;
  const outcome = await forward({
    protocol: route.protocol,
    call: {
      url: withQuery(upstream.url(route.protocol, route.action), exchange.url),
      headers: { ...forwardedHeaders(exchange.request, betas.sent), ...credentials },
      body: prepared.body,
    },
    response: exchange.response,
    limits: deps.limits,
  });
  if (outcome.error) refuse(deps, exchange, outcome.error);
  deps.telemetry.log.info('model.called', {
    request_id: exchange.requestId,
    run_id: caller.runId,
    protocol: route.protocol,
    model: prepared.model.id,
    status: outcome.status,
    charge: outcome.charge,
    hosted: [...prepared.hosted.keys()],
    dropped_betas: betas.dropped,
    input_tokens: outcome.usage?.input ?? null,
    output_tokens: outcome.usage?.output ?? null,
    duration_ms: Math.round(performance.now() - startedAt),
  });
  await account?.close(outcome);
}

/** How many names of `anthropic-beta` were left out, and to what a limit of output was lowered. */
function tellChanges(
  response: ServerResponse,
  { dropped, loweredTo }: { dropped: number; loweredTo: number | undefined },
): void {
  if (dropped > 0) response.setHeader('holdfast-dropped-betas', String(dropped));
  if (loweredTo !== undefined) response.setHeader('holdfast-output-limit', String(loweredTo));
}

/** Query parameters that are forwarded, with their values; others may be credentials. */
const QUERY: Readonly<Record<string, RegExp>> = {
  beta: /^true$/,
  alt: /^(sse|json)$/,
  'api-version': /^[\w.-]{1,40}$/,
};

function withQuery(target: URL, asked: URL): URL {
  for (const [name, values] of Object.entries(QUERY)) {
    const value = asked.searchParams.get(name);
    if (value !== null && values.test(value)) target.searchParams.set(name, value);
  }
  return target;
}

function sendModels({ models }: ServeDeps, { response }: Exchange): void {
  const data = models.list
    .filter(one => one.protocols.includes('responses') || one.protocols.includes('chat'))
    .map(({ id }) => ({ id, object: 'model', created: 0, owned_by: 'holdfast' }));
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify({ object: 'list', data }));
}

/** In the protocol's own error object. Closes the connection if the request was not fully read. */
function refuse(deps: ServeDeps, exchange: Exchange, thrown: unknown): void {
  const { request, response, requestId, url } = exchange;
  const error = toHoldfastError(thrown);
  if (error.status >= 500) {
    const { code, cause } = error;
    deps.telemetry.log.error('model.failed', { request_id: requestId, code, err: cause ?? error });
  } else {
    const { code, field = null } = error;
    deps.telemetry.log.info('model.refused', { request_id: requestId, code, field });
  }
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { headers, body } = errorAnswer(error, shapeOf(url.pathname), requestId);
  if (!request.complete) headers.connection = 'close';
  // A refusal by a budget is final, so agents should not retry. Claude Code and Gemini CLI stop at
  // 403; Codex (0.169) retries 402 and 403 five times and stops at once at 400 only.
  const isCodex = url.pathname.endsWith('/responses');
  const status = isCodex && error.code === 'budget_exceeded' ? 400 : error.status;
  response.writeHead(status, {
    ...headers,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
