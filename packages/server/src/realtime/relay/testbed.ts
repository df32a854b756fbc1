/**
 * For the tests beside it: a real relay between two raw peers, client and upstream, over loopback
 * sockets. A raw peer writes any bytes it is told to and decodes what it gets with a decoder of its
 * own, so that the relay's scanner is not tested with itself. Every wait is bounded.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { acceptKey, acceptUpgrade } from './accept.ts';
import { dialUpstream } from './dial.ts';
import type { RelayOptions } from './options.ts';
import { Relay } from './relay.ts';
import type { RelayPeer } from './side.ts';
import { RelayTicker } from './ticker.ts';

const WAIT_MS = 10_000;

export interface Frame {
  readonly fin: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

/** Bounds a wait, with a text that says what did not come. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come`)), WAIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Waits until `condition` holds, looking again after each turn of the event loop. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what} did not come`);
    await new Promise(resolve => setTimeout(resolve, 1));
  }
}

export interface RawFrameOptions {
  readonly fin?: boolean;
  readonly masked?: boolean;
  readonly rsv?: number;
  /** Announced length, if not the payload's. */
  readonly length?: number;
}

/** The bytes of one frame, right or wrong. */
export function rawFrame(
  opcode: number,
  payload: string | Buffer = '',
  options: RawFrameOptions = {},
): Buffer {
  const body = Buffer.from(payload);
  const length = options.length ?? body.length;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended);
  head[0] = (options.fin === false ? 0 : 0x80) | ((options.rsv ?? 0) << 4) | opcode;
  head[1] = (options.masked ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  if (!options.masked) return Buffer.concat([head, body]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, body.map((byte, i) => byte ^ mask[i % 4]!)]);
}

/** One end of a connection, speaking raw frames. */
export class RawPeer {
  readonly socket: Duplex;
  readonly frames: Frame[] = [];
  /** Every byte received since the handshake. */
  receivedBytes = 0;
  ended = false;
  readonly #masks: boolean;
  #rest: Buffer = Buffer.alloc(0);
  #taken = 0;

  /** `masks`: this peer is a client. */
  constructor(socket: Duplex, masks: boolean, head: Buffer = Buffer.alloc(0)) {
    this.socket = socket;
    this.#masks = masks;
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      this.ended = true;
    });
    this.#bytes(head);
    socket.on('data', (chunk: Buffer) => this.#bytes(chunk));
  }

  #bytes(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const frame = this.#decode();
      if (frame === null) return;
      this.frames.push(frame);
    }
  }

  #decode(): Frame | null {
    const b = this.#rest;
    if (b.length < 2) return null;
    const short = b[1]! & 0x7f;
    const at = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (b[1]! & 0x80 ? 4 : 0);
    if (b.length < at) return null;
    const long = short === 127 ? Number(b.readBigUInt64BE(2)) : 0;
    const length = short === 126 ? b.readUInt16BE(2) : short === 127 ? long : short;
    if (b.length < at + length) return null;
    let payload = b.subarray(at, at + length);
    if (b[1]! & 0x80) payload = payload.map((byte, i) => byte ^ b[at - 4 + (i % 4)]!) as Buffer;
    this.#rest = b.subarray(at + length);
    return { fin: b[0]! >= 0x80, opcode: b[0]! & 0x7f, payload: Buffer.from(payload) };
  }

  send(opcode: number, payload: string | Buffer = '', options: RawFrameOptions = {}): void {
    this.socket.write(rawFrame(opcode, payload, { masked: this.#masks, ...options }));
  }

  text(text: string): void {
    this.send(1, text);
  }

  close(code: number, reason = ''): void {
    const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
    this.send(8, payload);
  }

  /** The next frame not yet taken. */
  async next(): Promise<Frame> {
    await until(() => this.frames.length > this.#taken, 'frame');
    return this.frames[this.#taken++]!;
  }

  async nextText(): Promise<string> {
    const frame = await this.next();
    if (frame.opcode !== 1 || !frame.fin) throw new Error(`no text but opcode ${frame.opcode}`);
    return frame.payload.toString();
  }

  /** The next frame, which must be a close: its code (1005 if empty) and reason. */
  async nextClose(): Promise<{ code: number; reason: string }> {
    const { opcode, payload } = await this.next();
    if (opcode !== 8) throw new Error(`no close but opcode ${opcode}: ${payload.toString()}`);
    const code = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
    return { code, reason: payload.subarray(2).toString() };
  }

  async closed(): Promise<void> {
    await until(() => this.ended, 'socket close');
  }
}

export interface Bed {
  readonly client: RawPeer;
  readonly upstream: RawPeer;
  readonly relay: Relay;
  readonly ticker: RelayTicker;
  stop(): Promise<void>;
}

export type BedOptions = Partial<Omit<RelayOptions, 'client' | 'upstream'>> & {
  /** Called before the relay starts. */
  readonly prepare?: (relay: Relay) => void;
  readonly tickMs?: number;
};

/** Listens on a free loopback port. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** An upstream that accepts one handshake and hands over its raw end. */
export async function rawUpstream(): Promise<{ url: URL; peer: Promise<RawPeer>; server: Server }> {
  const server = createServer();
  const peer = new Promise<RawPeer>(resolve => {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const accept = acceptKey(request.headers['sec-websocket-key'] ?? '');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      resolve(new RawPeer(socket, false, head));
    });
  });
  return { url: new URL(`ws://127.0.0.1:${await listen(server)}/`), peer, server };
}

/** Connects and shakes hands as a client would; answers the raw end. */
export async function rawClient(port: number): Promise<RawPeer> {
  const socket: Socket = connect(port, '127.0.0.1');
  socket.write(
    `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Version: 13\r\n' +
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  );
  let head = '';
  while (!head.includes('\r\n\r\n')) {
    const chunk = await within(
      new Promise<Buffer>(resolve => socket.once('data', resolve)),
      'handshake',
    );
    head += chunk.toString('latin1');
  }
  const rest = head.slice(head.indexOf('\r\n\r\n') + 4);
  return new RawPeer(socket, true, Buffer.from(rest, 'latin1'));
}

/** Both ends of another connection of a client. */
export async function connection(): Promise<{ client: RawPeer; peer: RelayPeer }> {
  const server = createServer();
  const peer = new Promise<RelayPeer>(resolve => {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      resolve(acceptUpgrade({ request, socket, head }));
    });
  });
  const client = await rawClient(await listen(server));
  server.close();
  return { client, peer: await peer };
}

/** A relay between a raw client and a raw upstream. Stop it in the test's clean-up. */
export async function startBed(options: BedOptions = {}): Promise<Bed> {
  const { prepare, tickMs, ...relayOptions } = options;
  const ticker = options.ticker ?? new RelayTicker(tickMs ?? 10);
  const upstream = await rawUpstream();
  const server = createServer();
  const relay = new Promise<Relay>(resolve => {
    server.on('upgrade', async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const client = acceptUpgrade({ request, socket, head });
      const dialled = await dialUpstream({ url: upstream.url, timeoutMs: WAIT_MS });
      if (!dialled.ok) throw new Error(dialled.failure.detail);
      const limits = { clientBytesPerSecond: Number.MAX_SAFE_INTEGER, ...options.limits };
      const made = new Relay({ ...relayOptions, limits, client, upstream: dialled.peer, ticker });
      prepare?.(made);
      made.start();
      resolve(made);
    });
  });
  const client = await rawClient(await listen(server));
  const [peer, made] = await within(Promise.all([upstream.peer, relay]), 'relay');
  const stop = async () => {
    client.socket.destroy();
    peer.socket.destroy();
    server.close();
    upstream.server.close();
    await within(made.closed, 'end of the relay');
  };
  return { client, upstream: peer, relay: made, ticker, stop };
}
