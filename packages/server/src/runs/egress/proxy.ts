import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../platform/telemetry/index.ts';
import type { Resolve } from './addresses.ts';
import { connectTo } from './connect.ts';
import { EgressError, type ProxyError, toEgressError } from './egress-error.ts';
import { endToEnd, requestHeaders } from './headers.ts';
import { absoluteTarget, authorityOf, connectTarget, type Target } from './target.ts';

/** Bounds of one run's egress proxy. */
export const DEFAULT_LIMITS = {
  /** Connections to hosts at once. Twice as many clients may be connected to the proxy. */
  connectionsMax: 64,
  /** Request line and headers, and as much for those of an answer. */
  headerMaxBytes: 16 * 1024,
  /** Until the headers of a request are complete. */
  headersTimeoutMs: 10_000,
  /** Looking up the name and connecting, together. */
  connectTimeoutMs: 10_000,
  /** Without a byte in either direction. */
  idleTimeoutMs: 5 * 60_000,
  /** Denials that are logged one by one; further ones are counted. */
  denialsLoggedMax: 20,
};

export type EgressLimits = Readonly<typeof DEFAULT_LIMITS>;

export interface ProxyRules {
  isListed(target: Target): boolean;
  mayBePrivate(target: Target): boolean;
  readonly limits: EgressLimits;
  readonly resolve: Resolve | undefined;
}

interface ProxyObserver {
  /** Names the run. */
  readonly log: Logger;
  counted(outcome: 'allowed' | ProxyError): void;
  carried(sentBytes: number, receivedBytes: number): void;
}

/** The forward proxy of one run. Connections end when it is closed. */
export class EgressProxy {
  /** For the opener of the proxy, to listen with. */
  readonly server: Server;
  readonly #rules: ProxyRules;
  readonly #observer: ProxyObserver;
  readonly #clients = new Set<Duplex>();
  readonly #hosts = new Set<Socket>();
  /** Connections that are open or being opened. */
  #connections = 0;
  #denials = 0;

  constructor(rules: ProxyRules, observer: ProxyObserver) {
    this.#rules = rules;
    this.#observer = observer;
    const { limits } = rules;
    this.server = createServer({
      maxHeaderSize: limits.headerMaxBytes,
      headersTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: limits.headersTimeoutMs,
      // A body may take any time; only its pauses are bounded.
      requestTimeout: 0,
    });
    this.server.maxConnections = 2 * limits.connectionsMax;
    this.server.on('connection', (socket: Socket) => {
      this.#clients.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => this.#clients.delete(socket));
    });
    this.server.on('connect', (request: IncomingMessage, client: Socket, head: Buffer) => {
      void this.#tunnel(request, { client, head });
    });
    this.server.on('request', (request, response) => void this.#forward(request, response));
    this.server.on('clientError', (error, client) => this.#unreadable(error, client as Socket));
    this.server.on('drop', () => this.#count(this.#tooMany()));
  }

  /** Ends every connection and stops listening. */
  async close(): Promise<void> {
    const { log } = this.#observer;
    const unlogged = this.#denials - this.#rules.limits.denialsLoggedMax;
    if (unlogged > 0) log.warn('run.outbound_denied_more', { count: unlogged });
    this.#denials = 0;
    for (const socket of [...this.#clients, ...this.#hosts]) socket.destroy();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  async #tunnel(
    request: IncomingMessage,
    { client, head }: { client: Socket; head: Buffer },
  ): Promise<void> {
    let target: Target | undefined;
    try {
      target = connectTarget(request.url ?? '');
      const host = await this.#connect(target, client);
      client.setTimeout(this.#rules.limits.idleTimeoutMs, () => client.destroy());
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      if (head.length > 0) host.write(head);
      client.pipe(host).pipe(client);
      client.once('close', () => host.destroySoon());
      host.once('close', () => client.destroySoon());
    } catch (thrown) {
      const error = this.#count(toEgressError(thrown), target);
      answer(client, error);
    }
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let target: Target | undefined;
    const fail = (thrown: unknown) => {
      if (response.headersSent || response.destroyed) return void response.destroy();
      const error = this.#count(toEgressError(thrown), target);
      response.writeHead(error.status, { ...headersOf(error), connection: 'close' });
      response.end(bodyOf(error));
    };
    try {
      const asked = absoluteTarget(request.url ?? '');
      target = asked.target;
      const host = await this.#connect(target, request.socket);
      const onward = httpRequest({
        method: request.method,
        path: asked.path,
        headers: requestHeaders(request, authorityOf(target).replace(/:80$/, '')),
        maxHeaderSize: this.#rules.limits.headerMaxBytes,
        createConnection: () => host,
      });
      response.once('close', () => host.destroy());
      onward.on('error', fail);
      onward.on('response', incoming => {
        response.writeHead(incoming.statusCode ?? 502, endToEnd(incoming));
        incoming.on('error', () => response.destroy());
        incoming.pipe(response);
      });
      request.pipe(onward);
    } catch (thrown) {
      fail(thrown);
    }
  }

  /** Opens a connection within the rules, and counts it until it is closed. */
  async #connect(target: Target, client: Duplex): Promise<Socket> {
    const { limits, resolve } = this.#rules;
    if (!this.#rules.isListed(target)) {
      throw new EgressError(
        'http_request_denied',
        `Agents may not connect to ${authorityOf(target)}. An administrator can allow it by ` +
          `adding ${authorityOf(target)} to HOLDFAST_SANDBOX_ALLOWED_HOSTS.`,
      );
    }
    if (this.#connections >= limits.connectionsMax) throw this.#tooMany();
    const gone = new AbortController();
    const abort = () => gone.abort();
    client.once('close', abort);
    this.#connections += 1;
    try {
      const host = await connectTo(target, {
        mayBePrivate: this.#rules.mayBePrivate(target),
        timeoutMs: limits.connectTimeoutMs,
        resolve,
        signal: gone.signal,
      });
      this.#watch(host);
      return host;
    } catch (error) {
      this.#connections -= 1;
      throw error;
    } finally {
      client.off('close', abort);
    }
  }

  #watch(host: Socket): void {
    this.#observer.counted('allowed');
    this.#hosts.add(host);
    host.setTimeout(this.#rules.limits.idleTimeoutMs, () => {
      host.destroy(new EgressError('connection_timeout', 'No byte arrived for too long.'));
    });
    host.once('close', () => {
      this.#hosts.delete(host);
      this.#connections -= 1;
      this.#observer.carried(host.bytesWritten, host.bytesRead);
    });
  }

  #count(error: EgressError, target?: Target): EgressError {
    const { log, counted } = this.#observer;
    counted(error.error);
    if (!error.isDenial) return error;
    this.#denials += 1;
    if (this.#denials > this.#rules.limits.denialsLoggedMax) return error;
    log.warn('run.outbound_denied', { reason: error.error, ...target });
    return error;
  }

  #tooMany(): EgressError {
    const { connectionsMax } = this.#rules.limits;
    const detail = `This run has ${connectionsMax} connections open, as many as it may.`;
    return new EgressError('connection_limit_reached', detail);
  }

  #unreadable(thrown: NodeJS.ErrnoException, client: Socket): void {
    if (thrown.code === 'ECONNRESET' || !client.writable || client.bytesWritten > 0) {
      client.destroy();
      return;
    }
    answer(client, this.#count(unreadable(thrown.code, this.#rules.limits)));
  }
}

function unreadable(code: string | undefined, limits: EgressLimits): EgressError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const detail = `Request line and headers may have ${limits.headerMaxBytes} bytes.`;
    return new EgressError('http_request_too_large', detail);
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new EgressError('http_request_timeout', 'The headers did not come in time.');
  }
  return new EgressError('http_request_error', 'This is not a request in HTTP/1.1.');
}

const bodyOf = (error: EgressError) => `${error.detail}\n`;

function headersOf(error: EgressError): Record<string, string> {
  return {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': String(Buffer.byteLength(bodyOf(error))),
    'proxy-status': `holdfast; error=${error.error}`,
  };
}

/** Answers on a connection without a response object, and closes it. */
function answer(client: Socket, error: EgressError): void {
  const headers = Object.entries({ ...headersOf(error), connection: 'close' });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const { status } = error;
  client.resume();
  client.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines}\r\n${bodyOf(error)}`);
  client.destroySoon();
}
