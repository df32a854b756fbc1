/**
 * The bytes of the benchmark's load: realistic audio events of an exact payload size, as ready-made
 * frames, and a counter that finds frames in what comes back without looking at their payloads.
 */
import { randomBytes } from 'node:crypto';

const OPCODE_TEXT = 1;
const OPCODE_PING = 9;
const OPCODE_PONG = 10;

/** Base64 that makes `before` + base64 + `after` exactly `sizeBytes` long. */
function filled(before: string, after: string, sizeBytes: number): string {
  const length = sizeBytes - before.length - after.length;
  return before + randomBytes(length).toString('base64').slice(0, length) + after;
}

/** A client's audio event, as SDKs write it. */
export function appendEvent(sizeBytes: number): string {
  return filled('{"type":"input_audio_buffer.append","audio":"', '"}', sizeBytes);
}

/** A provider's audio event, with the fields it has in reality. */
export function deltaEvent(sizeBytes: number): string {
  const before =
    '{"type":"response.output_audio.delta","event_id":"event_CBf3kTq8Wc1Zp9yQmUa7L",' +
    '"response_id":"resp_CBf3kzLq0R5oYtXn2VhJe","item_id":"item_CBf3kE7sNd4uPwGi6MbXr",' +
    '"output_index":0,"content_index":0,"delta":"';
  return filled(before, '"}', sizeBytes);
}

/** One whole frame; masked with a fresh key, as browsers do, or not. */
function frame(opcode: number, payload: Buffer, masked: boolean): Buffer {
  const extended = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended + (masked ? 4 : 0));
  head[0] = 0x80 | opcode;
  const flag = masked ? 0x80 : 0;
  head[1] = flag | (extended === 0 ? payload.length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(payload.length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(payload.length), 2);
  if (!masked) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  mask.copy(head, head.length - 4);
  return Buffer.concat([head, payload.map((byte, i) => byte ^ mask[i % 4]!)]);
}

export function textFrame(text: string, masked: boolean): Buffer {
  return frame(OPCODE_TEXT, Buffer.from(text), masked);
}

export interface CounterEvents {
  /** A data frame is complete; `payloadBytes` long. */
  frame(payloadBytes: number): void;
  /** The peer wants this pong. */
  pong(bytes: Buffer): void;
  /** The payload of each data frame up to 125 bytes, unmasked. */
  small(payload: Buffer): void;
}

/** Finds the frames of one direction. Cheap: payloads of audio are skipped, not read. */
export class FrameCounter {
  readonly #events: CounterEvents;
  readonly #masked: boolean;
  #left = 0;
  #length = 0;
  #carry: Buffer | null = null;

  /** `masked`: frames come from clients. */
  constructor(masked: boolean, events: CounterEvents) {
    this.#masked = masked;
    this.#events = events;
  }

  /** Takes a chunk, which is valid only during the call. */
  take(given: Buffer): void {
    let chunk = given;
    if (this.#carry !== null) {
      chunk = Buffer.concat([this.#carry, given]);
      this.#carry = null;
    }
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#left -= taken;
        at += taken;
        if (this.#left === 0) this.#events.frame(this.#length);
      } else {
        const next = this.#header(chunk, at);
        if (next < 0) {
          this.#carry = Buffer.from(chunk.subarray(at));
          return;
        }
        at = next;
      }
    }
  }

  /** Reads a header; small frames are read whole. Answers where to go on, or -1 for "need more". */
  #header(chunk: Buffer, at: number): number {
    if (chunk.length - at < 2) return -1;
    const short = chunk[at + 1]! & 0x7f;
    const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
    const payloadAt = at + 2 + extended + (this.#masked ? 4 : 0);
    if (chunk.length < payloadAt) return -1;
    if (extended > 0) {
      this.#length =
        extended === 2 ? chunk.readUInt16BE(at + 2) : Number(chunk.readBigUInt64BE(at + 2));
      this.#left = this.#length;
      return payloadAt;
    }
    if (chunk.length < payloadAt + short) return -1;
    const payload = Buffer.from(chunk.subarray(payloadAt, payloadAt + short));
    if (this.#masked) {
      for (let i = 0; i < short; i++) payload[i]! ^= chunk[payloadAt - 4 + (i & 3)]!;
    }
    this.#small(chunk[at]! & 0x0f, payload);
    return payloadAt + short;
  }

  #small(opcode: number, payload: Buffer): void {
    if (opcode === OPCODE_PING) {
      this.#events.pong(frame(OPCODE_PONG, payload, !this.#masked));
    } else if (opcode < 8) this.#events.small(payload);
  }
}
