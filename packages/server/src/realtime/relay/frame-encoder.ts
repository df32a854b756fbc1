/**
 * Builds the frames that Holdfast itself sends (RFC 6455 §5.2): unmasked towards clients, masked
 * towards upstreams. Also the masking of payloads, which is its own inverse.
 */
import { randomFillSync } from 'node:crypto';
import { OPCODE_CLOSE, OPCODE_PING, OPCODE_PONG, OPCODE_TEXT } from './frame-scanner.ts';
import { maxCloseReasonBytes } from './limits.ts';
import { applyMask } from './masking.ts';

const FINAL = 0x80;
const MASK_POOL_BYTES = 4096;
const maskPool = Buffer.alloc(MASK_POOL_BYTES);
let maskPoolAt = MASK_POOL_BYTES;

/** A fresh unpredictable masking key that is not 0, first byte lowest. */
function freshMask(): number {
  for (;;) {
    if (maskPoolAt === MASK_POOL_BYTES) {
      randomFillSync(maskPool);
      maskPoolAt = 0;
    }
    const mask = maskPool.readInt32LE(maskPoolAt);
    maskPoolAt += 4;
    if (mask !== 0) return mask;
  }
}

/** A frame with its header written and room for the payload behind it. */
function frameFor(first: number, length: number, masked: boolean): Buffer {
  const extended = length < 126 ? 0 : length < 0x1_0000 ? 2 : 8;
  const frame = Buffer.allocUnsafe(2 + extended + (masked ? 4 : 0) + length);
  frame[0] = first;
  const flag = masked ? 0x80 : 0;
  if (extended === 0) frame[1] = flag | length;
  else if (extended === 2) {
    frame[1] = flag | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = flag | 127;
    frame.writeUInt32BE(0, 2);
    frame.writeUInt32BE(length, 6);
  }
  return frame;
}

function encode(first: number, payload: Buffer, masked: boolean): Buffer {
  const frame = frameFor(first, payload.length, masked);
  const at = frame.length - payload.length;
  payload.copy(frame, at);
  if (masked) {
    const mask = freshMask();
    frame.writeInt32LE(mask, at - 4);
    applyMask(frame.subarray(at), mask);
  }
  return frame;
}

/** One final frame of `payload`. `masked` for frames towards an upstream. */
export function encodeFrame(opcode: number, payload: Buffer, masked: boolean): Buffer {
  return encode(FINAL | opcode, payload, masked);
}

/** One frame of `payload` that more fragments of its message follow. */
export function encodeFragment(opcode: number, payload: Buffer, masked: boolean): Buffer {
  return encode(opcode, payload, masked);
}

export function encodeText(text: string, masked: boolean): Buffer {
  return encodeFrame(OPCODE_TEXT, Buffer.from(text, 'utf8'), masked);
}

export function encodePong(payload: Buffer, masked: boolean): Buffer {
  return encodeFrame(OPCODE_PONG, payload, masked);
}

const EMPTY = Buffer.alloc(0);
const unmaskedPing = encodeFrame(OPCODE_PING, EMPTY, false);

/** A ping whose pong brings the number back. */
export function encodePing(masked: boolean, number?: number): Buffer {
  if (number === undefined) return masked ? encodeFrame(OPCODE_PING, EMPTY, true) : unmaskedPing;
  const payload = Buffer.allocUnsafe(8);
  payload.writeDoubleBE(number);
  return encodeFrame(OPCODE_PING, payload, masked);
}

/** The number that a pong brings back; null for the pong of another ping. */
export function numberIn(pong: Buffer): number | null {
  return pong.length === 8 ? pong.readDoubleBE() : null;
}

/**
 * A close frame. Code 1005 ("no code was given") makes one without a payload; other codes must be
 * legal on the wire (`sendableCloseCode`). A reason too long is cut at a character boundary.
 */
export function encodeClose(code: number, reason: string, masked: boolean): Buffer {
  if (code === 1005) return encodeFrame(OPCODE_CLOSE, EMPTY, masked);
  const text = cutUtf8(Buffer.from(reason, 'utf8'), maxCloseReasonBytes);
  const payload = Buffer.allocUnsafe(2 + text.length);
  payload.writeUInt16BE(code, 0);
  text.copy(payload, 2);
  return encodeFrame(OPCODE_CLOSE, payload, masked);
}

function cutUtf8(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length <= maxBytes) return bytes;
  let end = maxBytes;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
