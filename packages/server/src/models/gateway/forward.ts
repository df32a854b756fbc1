import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HoldfastError } from '../../kernel/index.ts';
import type { TokenUsage } from '../prices.ts';
import type { TextProtocol } from '../text-upstream.ts';
import { ERROR_BODY_MAX_BYTES, type GatewayLimits } from './limits.ts';
import { createUsageTap } from './tap.ts';
import {
  answeredHeaders,
  callUpstream,
  UpstreamFault,
  type UpstreamRequest,
} from './upstream-call.ts';

/** How a call ended, for its accounts. */
export interface Outcome {
  /** The status sent to the client; 499 when it had disconnected. */
  readonly status: number;
  /** What to settle at: the usage, the whole reservation, or nothing. */
  readonly charge: 'usage' | 'reservation' | 'nothing';
  readonly usage: TokenUsage | null;
  /** For the caller of `forward` to answer, in the protocol's shape. */
  readonly error?: HoldfastError;
}

export interface ForwardOptions {
  readonly protocol: TextProtocol;
  readonly call: Omit<UpstreamRequest, 'signal'>;
  readonly response: ServerResponse;
  readonly limits: GatewayLimits;
}

const CLIENT_GONE = 499;

/** Sends the call and passes its answer on as it arrives. Never throws. */
export async function forward(options: ForwardOptions): Promise<Outcome> {
  const { response, limits } = options;
  const abort = new AbortController();
  let late = false;
  const total = setTimeout(() => {
    late = true;
    abort.abort();
  }, limits.totalTimeoutMs);
  const gone = () => abort.abort();
  response.once('close', gone);
  try {
    if (response.destroyed) return { status: CLIENT_GONE, charge: 'nothing', usage: null };
    const answer = await callUpstream({ ...options.call, signal: abort.signal }, limits);
    return await passOn(answer, options);
  } catch (error) {
    const reached = !(error instanceof UpstreamFault) || error.reached;
    const charge = reached ? 'reservation' : 'nothing';
    if (response.destroyed) return { status: CLIENT_GONE, charge, usage: null };
    const fault = faultOf(error, late);
    return { status: fault.status, charge, usage: null, error: fault };
  } finally {
    clearTimeout(total);
    response.off('close', gone);
  }
}

function faultOf(error: unknown, late: boolean): HoldfastError {
  if (late) return new UpstreamFault('upstream_timeout', { reached: true, cause: error });
  if (error instanceof HoldfastError) return error;
  return new UpstreamFault('upstream_unreachable', { reached: true, cause: error });
}

async function passOn(answer: IncomingMessage, options: ForwardOptions): Promise<Outcome> {
  const status = answer.statusCode ?? 502;
  if (status >= 400) return passError(answer, status, options);
  if (status < 200 || status >= 300) {
    answer.destroy();
    const error = new HoldfastError(
      'upstream_error',
      'The model answered with an unexpected status.',
    );
    return { status: error.status, charge: 'nothing', usage: null, error };
  }
  const { response, protocol, limits } = options;
  const headers = answeredHeaders(answer);
  const tap = createUsageTap(protocol, headers['content-type'] ?? '', limits.maxReadChars);
  response.writeHead(status, headers);
  try {
    await pump(answer, options, chunk => tap.push(chunk));
  } catch {
    // Half an answer must not look like a whole one.
    const lost = response.destroyed ? CLIENT_GONE : status;
    response.destroy();
    answer.destroy();
    return { status: lost, charge: 'reservation', usage: null };
  }
  response.end();
  const usage = tap.end();
  return { status, charge: usage === null ? 'reservation' : 'usage', usage };
}

async function pump(
  answer: IncomingMessage,
  { response, limits }: ForwardOptions,
  onChunk: (chunk: Buffer) => void,
): Promise<void> {
  let idle: NodeJS.Timeout | undefined;
  const watch = () => {
    clearTimeout(idle);
    idle = setTimeout(() => answer.destroy(new Error('idle')), limits.idleTimeoutMs);
  };
  watch();
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      watch();
      onChunk(chunk);
      if (response.destroyed) throw new Error('the client disconnected');
      if (!response.write(chunk)) await drained(response);
    }
  } finally {
    clearTimeout(idle);
  }
  if (!answer.complete) throw new Error('the answer ended early');
}

async function drained(response: ServerResponse): Promise<void> {
  const waiting = new AbortController();
  const { signal } = waiting;
  try {
    await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]);
  } finally {
    waiting.abort();
  }
}

/**
 * An upstream's error keeps its status and text, except 401: it is about our key, which the caller
 * does not know and some providers quote.
 */
async function passError(
  answer: IncomingMessage,
  status: number,
  { response, call }: ForwardOptions,
): Promise<Outcome> {
  const done = { charge: 'nothing', usage: null } as const;
  if (status === 401) {
    answer.destroy();
    const error = new HoldfastError('upstream_rejected', 'The model refused our credentials.');
    return { ...done, status: error.status, error };
  }
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > ERROR_BODY_MAX_BYTES) break;
    parts.push(chunk);
  }
  const text = withoutSecrets(Buffer.concat(parts).toString('utf8'), call.headers);
  response.writeHead(status, answeredHeaders(answer));
  response.end(text);
  return { ...done, status };
}

const SECRET_HEADERS = ['authorization', 'api-key', 'x-api-key', 'x-goog-api-key'];

function withoutSecrets(text: string, headers: Readonly<Record<string, string>>): string {
  return SECRET_HEADERS.reduce((shown, name) => {
    const secret = headers[name]?.replace(/^Bearer /, '');
    return secret ? shown.replaceAll(secret, '(hidden)') : shown;
  }, text);
}
