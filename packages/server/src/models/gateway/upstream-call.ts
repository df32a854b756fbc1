import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { HoldfastError } from '../../kernel/index.ts';
import type { GatewayLimits } from './limits.ts';

const TEXTS = {
  upstream_unreachable: 'The model cannot be reached.',
  upstream_timeout: 'The model did not answer in time.',
};
type FaultCode = keyof typeof TEXTS;

/** An upstream that did not answer. */
export class UpstreamFault extends HoldfastError {
  /** Whether the call was sent, so that the upstream may have begun to work and to charge. */
  readonly reached: boolean;

  constructor(code: FaultCode, options: { reached: boolean; cause?: unknown }) {
    super(code, TEXTS[code], { cause: options.cause });
    this.reached = options.reached;
  }
}

export interface UpstreamRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly signal: AbortSignal;
}

/**
 * Idle connections are closed before servers close them (usually after 5 s or more): a call on a
 * connection that the server is closing would have to count as sent. Connections in use are kept.
 */
const IDLE_SOCKET_MS = 4_000;
const POOL = { keepAlive: true, maxFreeSockets: 64, timeout: IDLE_SOCKET_MS };
const agents = { 'http:': new HttpAgent(POOL), 'https:': new HttpsAgent(POOL) };

/**
 * Sends the call and answers the head of its answer, whose body is still to be read. Redirects are
 * not followed. Throws `UpstreamFault`, also when `signal` is aborted meanwhile.
 */
export function callUpstream(
  { url, headers, body, signal }: UpstreamRequest,
  limits: Pick<GatewayLimits, 'connectTimeoutMs' | 'headerTimeoutMs'>,
): Promise<IncomingMessage> {
  const isTls = url.protocol === 'https:';
  const send = isTls ? httpsRequest : httpRequest;
  const agent = agents[isTls ? 'https:' : 'http:'];
  return new Promise((resolve, reject) => {
    let reached = false;
    const sent = { ...headers, 'content-length': String(body.length) };
    const request = send(url, { method: 'POST', agent, signal, headers: sent });
    const fail = (code: FaultCode, cause?: unknown) => {
      clearTimeout(timer);
      reject(new UpstreamFault(code, { reached, cause }));
    };
    const giveUp = () => {
      fail('upstream_timeout');
      request.destroy();
    };
    let timer = setTimeout(giveUp, limits.connectTimeoutMs);
    request.on('socket', socket => {
      const connected = () => {
        reached = true;
        clearTimeout(timer);
        timer = setTimeout(giveUp, limits.headerTimeoutMs);
      };
      if (!socket.connecting) return connected();
      socket.once(isTls ? 'secureConnect' : 'connect', connected);
    });
    request.once('response', answer => {
      clearTimeout(timer);
      resolve(answer);
    });
    request.on('error', cause => fail('upstream_unreachable', cause));
    request.end(body);
  });
}

/** Headers that are sent on as they came; credentials and cookies are not among them. */
const FORWARDED = [
  'accept',
  'user-agent',
  'originator',
  'session_id',
  'conversation_id',
  'idempotency-key',
  'x-goog-api-client',
  'x-stainless-arch',
  'x-stainless-lang',
  'x-stainless-os',
  'x-stainless-package-version',
  'x-stainless-retry-count',
  'x-stainless-runtime',
  'x-stainless-runtime-version',
  'x-stainless-timeout',
];
const ANTHROPIC_VERSION = /^\d{4}-\d{2}-\d{2}$/;

/**
 * The caller's headers for the upstream. The body is JSON in UTF-8 whatever the caller calls it,
 * and nothing is compressed, so that usage can be read.
 */
export function forwardedHeaders(
  request: IncomingMessage,
  betas: readonly string[],
): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of FORWARDED) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  const version = request.headers['anthropic-version'];
  if (typeof version === 'string' && ANTHROPIC_VERSION.test(version)) {
    headers['anthropic-version'] = version;
  }
  if (betas.length > 0) headers['anthropic-beta'] = betas.join(',');
  headers['accept-encoding'] = 'identity';
  headers['content-type'] = 'application/json';
  return headers;
}

/** The upstream's headers that clients need to read the answer and to time a retry. */
const ANSWERED = ['content-type', 'retry-after', 'retry-after-ms', 'x-should-retry', 'request-id'];

export function answeredHeaders(answer: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  };
  for (const name of ANSWERED) {
    const value = answer.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  return headers;
}
