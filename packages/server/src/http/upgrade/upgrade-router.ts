import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import FindMyWay from 'find-my-way';
import { HoldfastError, toHoldfastError, within } from '../../kernel/index.ts';
import type { Telemetry } from '../../platform/telemetry/index.ts';
import type { ProxyTrust } from '../client-address.ts';
import type { Guard, GuardedRequest } from '../guard.ts';
import { type HttpLimits, PATH_PARAM_MAX_CHARS } from '../limits.ts';
import { type Nearest, nearestTo } from '../nearest-routes.ts';
import { type RequestMetrics, requestIdOf } from '../observe.ts';
import { checkOneHost } from '../one-host.ts';
import type { RouteConfig, RouteInfo } from '../route.ts';
import { checkHandshake, refuseUpgrade, targetUrl } from './handshake.ts';

/** An authenticated WebSocket request; its handler makes the handshake. */
export interface Upgrade<P = unknown> {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** Bytes that came after the request; hand them to the WebSocket library. */
  readonly head: Buffer;
  /** Only path and query mean anything. Its values are never logged. */
  readonly url: URL;
  /** The decoded `:name` parts of the route's path. */
  readonly params: Record<string, string>;
  readonly requestId: string;
  readonly principal: P;
  /**
   * Answers an HTTP error in the route's shape and closes. After the handshake it only destroys
   * the socket, since HTTP would corrupt the WebSocket. Later calls do nothing.
   */
  refuse(error: HoldfastError): void;
}

export interface UpgradeRoute<P = unknown> {
  /** A pattern such as `/a/:b`. */
  readonly path: string;
  readonly config: RouteConfig;
  /** Owns the socket from here on; what it throws is answered by `refuse`. */
  handle(upgrade: Upgrade<P>): Promise<void>;
}

export interface UpgradeHooks<P> {
  readonly guard: Guard<P>;
  readonly telemetry: Telemetry;
  readonly metrics: RequestMetrics;
  readonly limits: HttpLimits;
  readonly trust: ProxyTrust;
  /** Every route and upgrade of the server, and what is known not to be offered. */
  readonly known: () => Parameters<typeof nearestTo>[2];
}

/** The state of one upgrade from its request to its handler or its refusal. */
interface Attempt<P> {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly requestId: string;
  readonly answerHeaders: Record<string, string>;
  readonly bytesBefore: number;
  readonly startedAt: number;
  route?: UpgradeRoute<P> | undefined;
  /** Where no route matches. */
  nearest?: Nearest;
  guarded?: GuardedRequest;
  /** The handler owns the socket. */
  handed: boolean;
  refused: boolean;
}

/**
 * Routes WebSocket upgrades. An upgrade is checked, matched, authenticated by the guard within a
 * bounded time, and then belongs to its handler; every other path ends in an HTTP error and a
 * closed socket. A peer's socket error never escapes. `close` destroys the sockets that are still
 * open; features close theirs properly before that, while they drain.
 */
export class UpgradeRouter<P = unknown> {
  readonly #routes: UpgradeRoute<P>[] = [];
  readonly #paths = FindMyWay({ maxParamLength: PATH_PARAM_MAX_CHARS });
  readonly #open = new Set<Duplex>();
  #hooks: UpgradeHooks<P> | undefined;
  #pending = 0;
  #closing = false;

  /** Throws when the route names no known policy, or its path is taken. */
  add(route: UpgradeRoute<P>): void {
    this.#hooks?.guard.checkRoute({
      method: 'WS',
      url: route.path,
      policy: route.config.policy,
    });
    this.#paths.on('GET', route.path, () => {}, route);
    this.#routes.push(route);
  }

  attach(server: Server, hooks: UpgradeHooks<P>): void {
    this.#hooks = hooks;
    for (const route of this.#routes) {
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
    return this.#routes.map(route => ({
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

  /** A path with an empty parameter matches no route. */
  #find(path: string): { route: UpgradeRoute<P>; params: Record<string, string> } | undefined {
    const found = this.#paths.find('GET', path);
    if (found === null || Object.values(found.params).includes('')) return undefined;
    return {
      route: found.store as UpgradeRoute<P>,
      params: found.params as Record<string, string>,
    };
  }

  async #enter(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Node has handed the socket over: an error without a listener would end the process.
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
    socket.once('close', () => {
      this.#open.delete(socket);
      if (attempt.handed && !attempt.refused) this.#report(attempt, 101);
    });
    try {
      const upgrade = await this.#decide(attempt, head);
      if (socket.destroyed) return;
      attempt.handed = true;
      await attempt.route?.handle(upgrade);
    } catch (error) {
      this.#refuse(attempt, toHoldfastError(error));
    }
  }

  async #decide(attempt: Attempt<P>, head: Buffer): Promise<Upgrade<P>> {
    const { request, socket, requestId } = attempt;
    const { guard, limits, trust } = this.#set;
    const url = targetUrl(request.url, limits.maxUrlBytes);
    if (url === null) throw new HoldfastError('invalid_request', 'The URL is not well formed.');
    const found = this.#find(url.pathname);
    attempt.route = found?.route;
    if (found === undefined) {
      attempt.nearest = nearestTo(url.pathname, request.headers, this.#set.known());
    }
    attempt.guarded = guardedUpgrade(attempt, url, trust);
    const fault = checkHandshake(request);
    if (fault) throw fault;
    checkOneHost(request);
    this.#checkRoom(limits);
    this.#pending += 1;
    try {
      const authenticating = guard.authenticate(attempt.guarded);
      const principal = await within(authenticating, limits.upgradeAuthenticationTimeoutMs, () => {
        const text = 'Authentication took too long.';
        throw new HoldfastError('unavailable', text, { retryAfterS: 5 });
      });
      if (found === undefined) throw attempt.nearest!.error;
      return {
        request,
        socket,
        head,
        url,
        params: found.params,
        requestId,
        principal: principal as P,
        refuse: error => this.#refuse(attempt, error),
      };
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

  #refuse(attempt: Attempt<P>, error: HoldfastError): void {
    if (attempt.refused) return;
    attempt.refused = true;
    const { socket, route, nearest } = attempt;
    this.#report(attempt, error.status, error);
    if (attempt.guarded) this.#set.guard.refused(attempt.guarded, error);
    if (bytesWritten(socket) !== attempt.bytesBefore) {
      socket.destroy();
      return;
    }
    refuseUpgrade(socket, error, {
      shape: route?.config.errors ?? nearest?.shape ?? 'problem',
      requestId: attempt.requestId,
      headers: attempt.answerHeaders,
      lingerMs: this.#set.limits.refusalLingerMs,
    });
  }

  #report(attempt: Attempt<P>, status: number, error?: HoldfastError): void {
    const endpoint = attempt.route?.path ?? 'unmatched';
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
  const { request, answerHeaders, route } = attempt;
  return {
    kind: 'upgrade',
    method: request.method ?? 'GET',
    headers: request.headers,
    query: url.searchParams,
    remoteAddress: request.socket.remoteAddress,
    clientAddress: trust.addressOf(request),
    secure: trust.secureOf(request),
    requestId: attempt.requestId,
    route: route?.path,
    policy: route?.config.policy,
    setHeader: (name, value) => {
      answerHeaders[name] = value;
    },
  };
}

/** Zero when the socket is not a network socket; then it cannot have been used before either. */
function bytesWritten(socket: Duplex): number {
  return 'bytesWritten' in socket ? Number(socket.bytesWritten) : 0;
}
