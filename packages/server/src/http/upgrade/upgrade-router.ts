import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { HoldfastError, toHoldfastError } from '../../kernel/index.ts';
import type { Telemetry } from '../../platform/telemetry/index.ts';
import type { ProxyTrust } from '../client-address.ts';
import type { Guard, GuardedRequest } from '../guard.ts';
import type { HttpLimits } from '../limits.ts';
import type { RequestMetrics } from '../observe.ts';
import { compilePath, type PathPattern } from '../path-pattern.ts';
import { requestIdOf } from '../request-id.ts';
import type { RouteInfo } from '../route.ts';
import { refuseUpgrade } from './answer.ts';
import { checkHandshake, targetUrl } from './check-upgrade.ts';
import type { Upgrade, UpgradeRoute } from './upgrade.ts';

export interface UpgradeHooks<P> {
  readonly guard: Guard<P>;
  readonly telemetry: Telemetry;
  readonly metrics: RequestMetrics;
  readonly limits: HttpLimits;
  readonly trust: ProxyTrust;
}

interface Entry<P> {
  readonly route: UpgradeRoute<P>;
  readonly pattern: PathPattern;
}

/** What is known of one upgrade while it is being decided. */
interface Attempt<P> {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly requestId: string;
  readonly answerHeaders: Record<string, string>;
  readonly bytesBefore: number;
  readonly startedAt: number;
  entry?: Entry<P>;
  guarded?: GuardedRequest;
  /** Belongs to its handler now. */
  handed: boolean;
  refused: boolean;
}

/**
 * Routes WebSocket upgrades. An upgrade is checked, matched, admitted by the guard within a bounded
 * time, and then belongs to its handler; every other path ends in an HTTP error and a closed
 * socket. A peer's socket error never escapes. `close` destroys whatever sockets are still open:
 * features close theirs properly while they drain, before it.
 */
export class UpgradeRouter<P = unknown> {
  readonly #entries: Entry<P>[] = [];
  readonly #open = new Set<Duplex>();
  #hooks: UpgradeHooks<P> | undefined;
  #pending = 0;
  #closing = false;

  /** Throws when the route names no known policy. */
  add(route: UpgradeRoute<P>): void {
    const checked = { method: 'WS', url: route.path, policy: route.config.policy };
    this.#hooks?.guard.checkRoute(checked);
    this.#entries.push({ route, pattern: compilePath(route.path) });
  }

  attach(server: Server, hooks: UpgradeHooks<P>): void {
    this.#hooks = hooks;
    for (const { route } of this.#entries) {
      hooks.guard.checkRoute({ method: 'WS', url: route.path, policy: route.config.policy });
    }
    hooks.telemetry.meter
      .createObservableGauge('holdfast_upgraded_sockets')
      .addCallback(result => result.observe(this.#open.size));
    server.on('upgrade', (request, socket, head) => void this.#enter(request, socket, head));
  }

  /** Whether a plain request to this path should have been an upgrade. */
  matches(path: string): boolean {
    return this.#find(path) !== undefined;
  }

  routes(): RouteInfo[] {
    return this.#entries.map(({ route }) => ({
      method: 'WS',
      url: route.path,
      policy: route.config.policy,
      errors: route.config.errors ?? 'problem',
    }));
  }

  get openSockets(): number {
    return this.#open.size;
  }

  close(): void {
    this.#closing = true;
    for (const socket of this.#open) socket.destroy();
  }

  #find(path: string): { entry: Entry<P>; params: Record<string, string> } | undefined {
    for (const entry of this.#entries) {
      const params = entry.pattern.match(path);
      if (params !== null) return { entry, params };
    }
    return undefined;
  }

  async #enter(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // The socket is ours alone now, and an error without a listener would end the process.
    socket.on('error', () => socket.destroy());
    const attempt: Attempt<P> = {
      request,
      socket,
      requestId: requestIdOf(request),
      answerHeaders: {},
      bytesBefore: bytesWritten(socket),
      startedAt: performance.now(),
      handed: false,
      refused: false,
    };
    this.#open.add(socket);
    socket.once('close', () => this.#closed(attempt));
    try {
      const upgrade = await this.#decide(attempt, head);
      if (socket.destroyed) return;
      attempt.handed = true;
      await attempt.entry?.route.handle(upgrade);
    } catch (error) {
      this.#refuse(attempt, toHoldfastError(error));
    }
  }

  async #decide(attempt: Attempt<P>, head: Buffer): Promise<Upgrade<P>> {
    const { request, socket, requestId } = attempt;
    const limits = this.#set.limits;
    const url = targetUrl(request.url, limits.maxUrlBytes);
    if (url === null) throw new HoldfastError('invalid_request', 'The URL is not well formed.');
    const found = this.#find(url.pathname);
    attempt.entry = found?.entry;
    attempt.guarded = guardedUpgrade(attempt, url, this.#set.trust);
    const fault = checkHandshake(request);
    if (fault) throw fault;
    this.#checkRoom(limits);
    this.#pending += 1;
    try {
      const principal = await this.#admit(attempt.guarded, limits.upgradeAdmissionTimeoutMs);
      if (found === undefined) throw new HoldfastError('not_found', 'No such route.');
      const refuse = (error: HoldfastError) => this.#refuse(attempt, error);
      const { params } = found;
      return { request, socket, head, url, params, requestId, principal, refuse };
    } finally {
      this.#pending -= 1;
    }
  }

  #checkRoom(limits: HttpLimits): void {
    if (this.#closing) {
      throw new HoldfastError('draining', 'The server is shutting down.', { retryAfterS: 1 });
    }
    // `#open` already counts this one.
    if (this.#pending >= limits.maxPendingUpgrades || this.#open.size > limits.maxOpenUpgrades) {
      throw new HoldfastError('unavailable', 'Too many open connections.', { retryAfterS: 5 });
    }
  }

  async #admit(guarded: GuardedRequest, timeoutMs: number): Promise<P> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const error = new HoldfastError('unavailable', 'Could not decide in time.', {
        retryAfterS: 5,
      });
      timer = setTimeout(() => reject(error), timeoutMs);
    });
    try {
      const admitted = this.#set.guard.admit(guarded);
      return (await Promise.race([admitted, late])) as P;
    } finally {
      clearTimeout(timer);
    }
  }

  #refuse(attempt: Attempt<P>, error: HoldfastError): void {
    if (attempt.refused) return;
    attempt.refused = true;
    const { socket, entry } = attempt;
    this.#report(attempt, error.status, error);
    if (attempt.guarded) this.#set.guard.refused(attempt.guarded, error);
    if (bytesWritten(socket) !== attempt.bytesBefore) {
      socket.destroy();
      return;
    }
    refuseUpgrade(socket, error, {
      shape: entry?.route.config.errors ?? 'problem',
      requestId: attempt.requestId,
      headers: attempt.answerHeaders,
      lingerMs: this.#set.limits.refusalLingerMs,
    });
  }

  #closed(attempt: Attempt<P>): void {
    this.#open.delete(attempt.socket);
    if (attempt.handed && !attempt.refused) this.#report(attempt, 101);
  }

  #report(attempt: Attempt<P>, status: number, error?: HoldfastError): void {
    const endpoint = attempt.entry?.route.path ?? 'unmatched';
    const { metrics, telemetry } = this.#set;
    metrics.count(attempt.request.method ?? 'GET', endpoint, status);
    telemetry.log[status >= 500 ? 'error' : 'info'](
      status === 101 ? 'http.upgrade.closed' : 'http.upgrade.refused',
      {
        request_id: attempt.requestId,
        route: endpoint,
        status,
        duration_ms: Math.round(performance.now() - attempt.startedAt),
        ...(error === undefined ? {} : { code: error.code }),
        ...(error?.cause === undefined || status < 500 ? {} : { err: error.cause }),
      },
    );
  }

  get #set(): UpgradeHooks<P> {
    if (this.#hooks === undefined) throw new Error('The router is not attached.');
    return this.#hooks;
  }
}

function guardedUpgrade<P>(attempt: Attempt<P>, url: URL, trust: ProxyTrust): GuardedRequest {
  const { request, answerHeaders, entry } = attempt;
  return {
    kind: 'upgrade',
    method: request.method ?? 'GET',
    headers: request.headers,
    query: url.searchParams,
    remoteAddress: request.socket.remoteAddress,
    clientAddress: trust.addressOf(request),
    secure: trust.secureOf(request),
    requestId: attempt.requestId,
    route: entry?.route.path,
    policy: entry?.route.config.policy,
    setHeader: (name, value) => {
      answerHeaders[name] = value;
    },
  };
}

/** Zero when the socket is not a network socket; then it cannot have been used before either. */
function bytesWritten(socket: Duplex): number {
  return 'bytesWritten' in socket ? Number(socket.bytesWritten) : 0;
}
