import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { handshake } from '../../../packages/server/src/http/testing.ts';

const HEAD_MAX_BYTES = 64 * 1024;
const WAIT_MS = 20_000;

/** A frame of a server, complete. */
export interface ServerFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/**
 * A WebSocket client without a library, which may break every rule. It reads the server's frames
 * (unmasked, unfragmented) and keeps those that are no audio.
 */
export class RawSocket {
  readonly socket: Socket;
  readonly frames: ServerFrame[] = [];
  /** The bytes that the system took from us so far. */
  sentBytes = 0;
  #rest: Buffer = Buffer.alloc(0);
  readonly #ended: Promise<unknown>;

  private constructor(socket: Socket, rest: Buffer) {
    this.socket = socket;
    this.#ended = new Promise(resolve => socket.once('close', resolve));
    socket.on('data', chunk => this.#take(chunk));
    this.#take(rest);
  }

  /** Shakes hands; rejects when the server does not upgrade. */
  static async open(
    port: number,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<RawSocket> {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    socket.write(handshake(path, { host: `127.0.0.1:${port}`, ...headers }));
    let head: Buffer = Buffer.alloc(0);
    for (;;) {
      const end = head.indexOf('\r\n\r\n');
      if (end >= 0) {
        if (!head.toString('latin1').startsWith('HTTP/1.1 101')) {
          socket.destroy();
          throw new Error(`not upgraded: ${head}`);
        }
        return new RawSocket(socket, head.subarray(end + 4));
      }
      if (head.length > HEAD_MAX_BYTES) throw new Error('the answer has no end');
      const [chunk] = (await once(socket, 'data', { signal: AbortSignal.timeout(WAIT_MS) })) as [
        Buffer,
      ];
      head = Buffer.concat([head, chunk]);
    }
  }

  /** Sends bytes as they are; resolves when the system has taken them or the socket is gone. */
  async send(bytes: Buffer): Promise<void> {
    if (this.socket.destroyed || !this.socket.writable) return;
    const taken = new Promise<void>(resolve => {
      this.socket.write(bytes, error => {
        if (!error) this.sentBytes += bytes.length;
        resolve();
      });
    });
    await Promise.race([taken, this.#ended]);
  }

  /** The code of the server's close frame; 1006 when the connection ended without one. */
  async closeCode(): Promise<number> {
    const deadline = AbortSignal.timeout(WAIT_MS);
    while (this.#close === undefined && !this.socket.destroyed) {
      await Promise.race([
        once(this.socket, 'data', { signal: deadline }).catch(() => undefined),
        this.#ended,
      ]);
      if (deadline.aborted) throw new Error('the server did not close');
    }
    const payload = this.#close?.payload;
    return payload && payload.length >= 2 ? payload.readUInt16BE(0) : 1006;
  }

  get #close(): ServerFrame | undefined {
    return this.frames.find(frame => frame.opcode === 8);
  }

  /** Resolves with the first event of that type. */
  async event(type: string): Promise<void> {
    const deadline = AbortSignal.timeout(WAIT_MS);
    while (!this.frames.some(({ payload }) => payload.includes(`"type":"${type}"`))) {
      await once(this.socket, 'data', { signal: deadline });
    }
  }

  async end(): Promise<void> {
    this.socket.destroy();
    await this.#ended;
  }

  #take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const bytes = this.#rest;
      if (bytes.length < 2) return;
      const short = bytes[1]! & 0x7f;
      const headerBytes = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length < headerBytes) return;
      const length =
        short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : bytes.readUInt32BE(6);
      if (bytes.length < headerBytes + length) return;
      const payload = bytes.subarray(headerBytes, headerBytes + length);
      this.#rest = bytes.subarray(headerBytes + length);
      this.frames.push({ opcode: bytes[0]! & 0x0f, payload });
    }
  }
}

/** A client's frame by its parts, right or wrong. The mask is 1 2 3 4. */
export function clientFrame(options: {
  readonly first: number;
  readonly payload?: Buffer;
  readonly masked?: boolean;
  /** Announced instead of the payload's own, in eight bytes. */
  readonly announcedBytes?: bigint;
}): Buffer {
  const { first, payload = Buffer.alloc(0), masked = true, announcedBytes } = options;
  const flag = masked ? 0x80 : 0;
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(announcedBytes ?? BigInt(payload.length));
  const isShort = announcedBytes === undefined && payload.length < 126;
  const head = isShort
    ? [Buffer.from([first, flag | payload.length])]
    : [Buffer.from([first, flag | 127]), length];
  const mask = Buffer.from([1, 2, 3, 4]);
  const body = masked ? payload.map((byte, at) => byte ^ mask[at & 3]!) : payload;
  return Buffer.concat([...head, ...(masked ? [mask] : []), body]);
}
