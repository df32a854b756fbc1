/**
 * The server's half of the opening handshake (RFC 6455 §4.2). Extensions are always declined.
 *
 * Subprotocols: browsers cannot set headers, so clients of the Realtime API offer their key as a
 * subprotocol beside a real one, and a browser fails if none is chosen. Chosen is `realtime`, or
 * the beta's where that is what will be spoken. Nothing else is ever echoed: it could be a key.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { takeOver } from './shared-reads.ts';
import type { RelayPeer } from './side.ts';

const HANDSHAKE_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const KEY = /^[+/0-9A-Za-z]{22}==$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const PROTOCOL = 'realtime';
const BETA_PROTOCOL = 'openai-beta.realtime-v1';
const MAX_PROTOCOLS = 16;

/** Why an upgrade request is no WebSocket handshake, as the HTTP answer to give. */
export interface HandshakeFault {
  readonly status: 400 | 405 | 426;
  readonly message: string;
}

/** The Sec-WebSocket-Accept value for a client's key. */
export function acceptKey(key: string): string {
  return createHash('sha1')
    .update(key + HANDSHAKE_GUID)
    .digest('base64');
}

/** What is wrong with the handshake, or `null`. On 426 answer `Sec-WebSocket-Version: 13`. */
export function handshakeFault(request: IncomingMessage): HandshakeFault | null {
  const { headers } = request;
  if (request.method !== 'GET') return { status: 405, message: 'Use GET.' };
  if (headers.upgrade?.toLowerCase() !== 'websocket') {
    return { status: 400, message: 'The Upgrade header must be "websocket".' };
  }
  if (headers['sec-websocket-version'] !== '13') {
    return { status: 426, message: 'Only WebSocket version 13 is spoken here.' };
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) {
    return { status: 400, message: 'The Sec-WebSocket-Key header is missing or malformed.' };
  }
  return null;
}

/** Subprotocols offered in a Sec-WebSocket-Protocol header, in order; malformed ones left out. */
function offeredProtocols(header: string | undefined): string[] {
  if (header === undefined) return [];
  const offered = header.split(',', MAX_PROTOCOLS).map(name => name.trim());
  return offered.filter(name => TOKEN.test(name));
}

/** Whether the client offers the beta's subprotocol. */
export function offersBeta(request: IncomingMessage): boolean {
  return offeredProtocols(request.headers['sec-websocket-protocol']).includes(BETA_PROTOCOL);
}

/** The subprotocol to echo, or `undefined` for none. */
export function selectProtocol(
  header: string | undefined,
  speaksBeta: boolean,
): string | undefined {
  const spoken = speaksBeta ? [PROTOCOL, BETA_PROTOCOL] : [PROTOCOL];
  const offered = offeredProtocols(header);
  return spoken.find(name => offered.includes(name));
}

export interface AcceptOptions {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** The client is answered in the beta's protocol. */
  readonly speaksBeta?: boolean;
  /** Further headers of the 101; names and values must be fit for a header. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Answers 101 to a handshake that has no fault and makes the socket a peer for the relay. The
 * socket's HTTP listeners and time-outs are gone; it is not read until the relay starts.
 */
export function acceptUpgrade(options: AcceptOptions): RelayPeer {
  const { request, socket, head, speaksBeta = false } = options;
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptKey(request.headers['sec-websocket-key'] ?? '')}`,
  ];
  const protocol = selectProtocol(request.headers['sec-websocket-protocol'], speaksBeta);
  if (protocol !== undefined) lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    lines.push(`${name}: ${value}`);
  }
  // Without this listener a disconnect before the relay starts crashes the process.
  socket.on('error', () => socket.destroy());
  const plain = socket instanceof Socket && !(socket instanceof TLSSocket);
  const peer = (plain && takeOver(socket, head)) || { socket, head };
  prepareSocket(peer.socket);
  if (peer.socket !== socket) peer.socket.on('error', () => peer.socket.destroy());
  peer.socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return peer;
}

/** Frames are small and must not wait for each other; silence is judged by the ticker. */
export function prepareSocket(socket: Duplex): void {
  if (!(socket instanceof Socket)) return;
  socket.setTimeout(0);
  socket.setNoDelay(true);
}
