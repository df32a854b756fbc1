/**
 * The client's half of the opening handshake (RFC 6455 §4.1), towards an upstream.
 *
 * A plain socket reads into the buffer that all of them share (`shared-reads.ts`): during the
 * handshake what was read is copied and pushed to Node's HTTP client; after it, chunks go to the
 * relay. Node has no such reading for TLS, where chunks are our own. No extension and no
 * subprotocol is offered.
 */
import { randomBytes } from 'node:crypto';
import {
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';

import { isIP, connect as netConnect, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket, connect as tlsConnect } from 'node:tls';
import { acceptKey, prepareSocket } from './accept.ts';
import { type SharedReader, sharedPeer, sharedReads } from './shared-reads.ts';
import type { RelayPeer } from './side.ts';

export interface DialOptions {
  /** `ws:`, `wss:`, `http:` or `https:`. */
  readonly url: URL;
  /** Sent as they are; may hold credentials, which no failure repeats. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For the whole handshake, from resolving the name to the 101. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Certificate authorities for `wss:`, if not the system's. */
  readonly ca?: string | Buffer;
}

/**
 * Why there is no connection:
 * - `unreachable`: no connection could be made (`detail`: the system's error code)
 * - `refused`: the upstream answered with another status than 101
 * - `timeout`: no answer within `timeoutMs`
 * - `died`: the connection was lost before an answer
 * - `malformed`: the 101 is not a correct one
 * - `aborted`: by `signal`
 */
type DialFailureKind = 'unreachable' | 'refused' | 'timeout' | 'died' | 'malformed' | 'aborted';

/** What an upstream answered over HTTP in place of a WebSocket. */
export interface RefusedAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Its beginning, up to `REFUSAL_MAX_BYTES`; shorter where the rest was slow to come. */
  readonly body: string;
}

export interface DialFailure {
  readonly kind: DialFailureKind;
  /** A short word for logs, without addresses or credentials. */
  readonly detail: string;
  /** Of `refused`. */
  readonly answer?: RefusedAnswer;
  /** The upstream's id for the request, for our log only. */
  readonly requestId?: string | undefined;
}

export type DialResult =
  | { readonly ok: true; readonly peer: RelayPeer; readonly requestId?: string }
  | { readonly ok: false; readonly failure: DialFailure };

/** Connects and shakes hands. Never rejects. On success the caller owns the peer's socket. */
export function dialUpstream(options: DialOptions): Promise<DialResult> {
  return new Promise(resolve => {
    const key = randomBytes(16).toString('base64');
    const link: Link = { take: null, connected: false };
    const request = openRequest(options, key, link);
    let settled = false;
    const settle = (result: DialResult) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      if (!result.ok) request.destroy();
      resolve(result);
    };
    const fail = (failure: DialFailure) => settle({ ok: false, failure });
    const abort = () => fail({ kind: 'aborted', detail: 'aborted' });
    const timer = setTimeout(() => fail({ kind: 'timeout', detail: 'timeout' }), options.timeoutMs);
    request.on('error', error => fail(lost(error, link.connected)));
    request.on('response', response => {
      clearTimeout(timer);
      void readRefusal(response).then(answer => fail(refused(answer, requestId(response))));
    });
    request.on('upgrade', (response, socket, head) => {
      const fault = responseFault(response, key);
      if (fault !== null) {
        socket.destroy();
        fail({ kind: 'malformed', detail: fault, requestId: requestId(response) });
      } else settle({ ok: true, peer: peerOf(socket, head, link), requestId: requestId(response) });
    });
    if (options.signal?.aborted) abort();
    else options.signal?.addEventListener('abort', abort);
    request.end();
  });
}

interface Link extends SharedReader {
  connected: boolean;
}

function openRequest(options: DialOptions, key: string, link: Link): ClientRequest {
  const { url } = options;
  return httpRequest({
    method: 'GET',
    path: url.pathname + url.search,
    headers: {
      ...options.headers,
      Host: url.host,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': key,
    },
    createConnection: () => openSocket(options, link),
  });
}

function openSocket(options: DialOptions, link: Link): Socket {
  const { url, ca } = options;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port);
  const secure = url.protocol === 'wss:' || url.protocol === 'https:';
  const socket = secure
    ? tlsConnect({
        host,
        port: port === 0 ? 443 : port,
        ca,
        servername: isIP(host) === 0 ? host : '',
        ALPNProtocols: ['http/1.1'],
      })
    : plainSocket(host, port === 0 ? 80 : port, link);
  socket.once(secure ? 'secureConnect' : 'connect', () => {
    link.connected = true;
  });
  return socket;
}

function plainSocket(host: string, port: number, link: Link): Socket {
  const socket: Socket = netConnect({ host, port, onread: sharedReads(link, () => socket) });
  return socket;
}

/** Hands the socket over, paused, so that nothing is read before the relay starts. */
function peerOf(socket: Duplex, head: Buffer, link: Link): RelayPeer {
  prepareSocket(socket);
  socket.pause();
  // Between Node's HTTP client and the relay the socket has no other listener. Without this one a
  // loss crashes the process; with it the relay finds the socket closed.
  socket.on('error', () => socket.destroy());
  if (socket instanceof TLSSocket || !(socket instanceof Socket)) return { socket, head };
  return sharedPeer(socket, head, link);
}

function lost(error: Error & { code?: string }, connected: boolean): DialFailure {
  return { kind: connected ? 'died' : 'unreachable', detail: error.code ?? 'error' };
}

const REFUSAL_MAX_BYTES = 16 * 1024;
/** The time for the body alone, after its head. */
const REFUSAL_BODY_TIMEOUT_MS = 1_000;

/** Reads why a WebSocket was refused, within bounds, and ends the response. Never rejects. */
export async function readRefusal(response: IncomingMessage): Promise<RefusedAnswer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  const timer = setTimeout(() => response.destroy(), REFUSAL_BODY_TIMEOUT_MS);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes >= REFUSAL_MAX_BYTES) break;
    }
  } catch {
    // What came before the loss is what there is to read.
  } finally {
    clearTimeout(timer);
  }
  const body = Buffer.concat(chunks).toString('utf8', 0, REFUSAL_MAX_BYTES);
  return { status: response.statusCode!, headers: response.headers, body };
}

function refused(answer: RefusedAnswer, requestId: string | undefined): DialFailure {
  return { kind: 'refused', detail: `status ${answer.status}`, answer, requestId };
}

const REQUEST_ID_HEADERS = ['x-request-id', 'apim-request-id', 'x-ms-request-id'];
const MAX_REQUEST_ID_LENGTH = 128;

function requestId(response: IncomingMessage): string | undefined {
  for (const name of REQUEST_ID_HEADERS) {
    const value = response.headers[name];
    if (typeof value === 'string') return value.slice(0, MAX_REQUEST_ID_LENGTH);
  }
  return undefined;
}

/** What is wrong with a 101, or `null`. Nothing was offered, so nothing may be chosen. */
function responseFault(response: IncomingMessage, key: string): string | null {
  const { headers } = response;
  if (headers.upgrade?.toLowerCase() !== 'websocket') return 'upgrade';
  if (headers['sec-websocket-accept'] !== acceptKey(key)) return 'accept key';
  if (headers['sec-websocket-extensions'] !== undefined) return 'extension';
  if (headers['sec-websocket-protocol'] !== undefined) return 'subprotocol';
  return null;
}
