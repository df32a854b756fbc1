/**
 * Finds the frames of one direction of a WebSocket connection (RFC 6455 §5.2) in chunks cut
 * anywhere, without copying payloads of data frames.
 *
 * Use: for each chunk, call `step(chunk, at)` until the chunk is used up, starting at 0 and going
 * on at `scanner.next`. Each step answers what was found and describes it in the scanner's fields,
 * which hold until the next step:
 * - `SCAN_DATA`: a piece of a data frame's payload, `[pieceStart, pieceEnd)` of the chunk. A frame
 *   cut by chunks gives several pieces. `frameStart` is where this frame's bytes begin in the
 *   chunk; if its header began in an earlier chunk, `carried` holds those first header bytes.
 * - `SCAN_CONTROL`: a whole control frame; `control` is its payload, unmasked, a copy.
 * - `SCAN_MORE`: the chunk ended inside a header or a control frame, from `frameStart` on. Those
 *   bytes are kept by the scanner and must not be forwarded.
 *
 * A rule broken throws `FrameViolation`; the scanner must not be used afterwards. Rules are judged
 * as soon as the bytes that break them are there, so an announced length costs no memory.
 * Extensions are never negotiated, so all reserved bits must be clear. Lengths in more bytes than
 * needed are taken, as common implementations do.
 */
import { maxControlBytes } from './limits.ts';

const SCAN_MORE = 0;
export const SCAN_DATA = 1;
export const SCAN_CONTROL = 2;
export type ScanResult = typeof SCAN_MORE | typeof SCAN_DATA | typeof SCAN_CONTROL;

export const OPCODE_CONTINUATION = 0;
export const OPCODE_TEXT = 1;
const OPCODE_BINARY = 2;
export const OPCODE_CLOSE = 8;
export const OPCODE_PING = 9;
export const OPCODE_PONG = 10;

const TWO_POW_32 = 0x1_0000_0000;

/** Close codes of violations: protocol, type, encoding, policy, size, and our own failure. */
export type ViolationCode = 1002 | 1003 | 1007 | 1008 | 1009 | 1011;

/** Input that must not be carried on, with the code to close the offender's connection with. */
export class FrameViolation extends Error {
  readonly closeCode: ViolationCode;

  constructor(closeCode: ViolationCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'FrameViolation';
    this.closeCode = closeCode;
  }
}

export interface FrameScannerOptions {
  /** True for the direction client → server, where every frame must be masked; else none may be. */
  readonly masked: boolean;
  readonly maxMessageBytes: number;
}

const EMPTY = Buffer.alloc(0);

export class FrameScanner {
  /** Where to go on in this chunk. */
  next = 0;
  /** Where the bytes of the current frame begin in this chunk. */
  frameStart = 0;
  pieceStart = 0;
  pieceEnd = 0;
  /** `SCAN_DATA`: opcode of the message (text or binary). `SCAN_CONTROL`: of the control frame. */
  opcode = 0;
  /** This piece is the first of its message. */
  messageStart = false;
  /** This piece is the last of its frame. */
  frameEnd = false;
  /** This piece is the last of its message. */
  messageEnd = false;
  /** Masking key, first byte lowest; 0 if the frame is not masked. */
  mask = 0;
  /** Payload bytes of this frame before this piece: the mask goes on from there. */
  maskPhase = 0;
  /** First header bytes, if the header of this piece's frame began in an earlier chunk. */
  carried: Buffer | null = null;
  /** Payload of the control frame found. */
  control: Buffer = EMPTY;
  /** Data frames whose header was seen. */
  frames = 0;

  readonly #masked: boolean;
  readonly #maxMessageBytes: number;
  #left = 0;
  #taken = 0;
  #fin = true;
  #messageOpcode = 0;
  #messageBytes = 0;
  #carry: Buffer | null = null;
  #carryLength = 0;
  #controlOpcode = 0;
  #controlLeft = -1;

  constructor(options: FrameScannerOptions) {
    this.#masked = options.masked;
    this.#maxMessageBytes = options.maxMessageBytes;
  }

  /** Payload of a data frame is still to come. */
  get insideFrame(): boolean {
    return this.#left > 0;
  }

  /** A message is unfinished: inside one of its frames or between its fragments. */
  get insideMessage(): boolean {
    return this.#messageOpcode !== 0;
  }

  step(chunk: Buffer, at: number): ScanResult {
    this.frameStart = at;
    this.carried = null;
    if (this.#left > 0) {
      this.messageStart = false;
      return this.#piece(chunk, at);
    }
    if (this.#controlLeft >= 0) return this.#controlPart(chunk, at);
    if (this.#carryLength > 0) return this.#carriedHeader(chunk, at);
    const available = chunk.length - at;
    if (available < 2) return this.#keep(chunk, at);
    const second = chunk[at + 1]!;
    const headerBytes = headerLength(second);
    if (available < headerBytes) {
      this.#judge(chunk[at]!, second);
      return this.#keep(chunk, at);
    }
    return this.#header(chunk, at, at + headerBytes, chunk);
  }

  /** Reads a complete header at `at` of `source`; the payload begins at `payloadAt` of `chunk`. */
  #header(source: Buffer, at: number, payloadAt: number, chunk: Buffer): ScanResult {
    const first = source[at]!;
    const second = source[at + 1]!;
    this.#judge(first, second);
    const opcode = first & 0x0f;
    const length = payloadLength(source, at);
    this.mask = this.#masked ? maskAt(source, at + headerLength(second) - 4) : 0;
    if (opcode >= OPCODE_CLOSE) {
      this.#controlOpcode = opcode;
      this.#controlLeft = length;
      return this.#controlPart(chunk, payloadAt);
    }
    this.#checkLength(length);
    this.messageStart = opcode !== OPCODE_CONTINUATION;
    if (this.messageStart) this.#messageOpcode = opcode;
    this.#messageBytes += length;
    this.#fin = first >= 0x80;
    this.#left = length;
    this.#taken = 0;
    this.frames++;
    return this.#piece(chunk, payloadAt);
  }

  #piece(chunk: Buffer, at: number): ScanResult {
    const available = chunk.length - at;
    const taken = this.#left < available ? this.#left : available;
    this.maskPhase = this.#taken & 3;
    this.#taken += taken;
    this.#left -= taken;
    this.pieceStart = at;
    this.pieceEnd = at + taken;
    this.next = this.pieceEnd;
    this.opcode = this.#messageOpcode;
    this.frameEnd = this.#left === 0;
    this.messageEnd = this.frameEnd && this.#fin;
    if (this.messageEnd) {
      this.#messageOpcode = 0;
      this.#messageBytes = 0;
    }
    return SCAN_DATA;
  }

  #controlPart(chunk: Buffer, at: number): ScanResult {
    const available = chunk.length - at;
    if (this.#controlLeft > available) {
      if (available > 0) this.#keepControl(chunk, at);
      this.next = chunk.length;
      return SCAN_MORE;
    }
    this.next = at + this.#controlLeft;
    const part = chunk.subarray(at, this.next);
    const payload = Buffer.from(this.#carryLength > 0 ? this.#joinCarry(part) : part);
    if (this.mask !== 0) {
      for (let i = 0; i < payload.length; i++) payload[i]! ^= (this.mask >>> ((i & 3) << 3)) & 0xff;
    }
    this.#carryLength = 0;
    this.#controlLeft = -1;
    this.control = payload;
    this.opcode = this.#controlOpcode;
    return SCAN_CONTROL;
  }

  #keepControl(chunk: Buffer, at: number): void {
    this.#carry ??= Buffer.allocUnsafeSlow(maxControlBytes);
    this.#carryLength += chunk.copy(this.#carry, this.#carryLength, at);
    this.#controlLeft -= chunk.length - at;
  }

  #joinCarry(part: Buffer): Buffer {
    return Buffer.concat([this.#carry!.subarray(0, this.#carryLength), part]);
  }

  /** The chunk ends inside a header that begins at `at`. */
  #keep(chunk: Buffer, at: number): ScanResult {
    this.#carry ??= Buffer.allocUnsafeSlow(maxControlBytes);
    this.#carryLength = chunk.copy(this.#carry, 0, at);
    this.#judgeCarry();
    this.next = chunk.length;
    return SCAN_MORE;
  }

  /** Goes on with a header that began in an earlier chunk. */
  #carriedHeader(chunk: Buffer, start: number): ScanResult {
    const carry = this.#carry!;
    let at = start;
    // Twice at most: up to the length, then up to the end of the header.
    for (;;) {
      const wanted = this.#carryLength < 2 ? 2 : headerLength(carry[1]!);
      const taken = chunk.copy(carry, this.#carryLength, at, at + wanted - this.#carryLength);
      this.#carryLength += taken;
      at += taken;
      this.#judgeCarry();
      if (this.#carryLength >= 2 && this.#carryLength === headerLength(carry[1]!)) break;
      if (at === chunk.length) {
        this.next = at;
        return SCAN_MORE;
      }
    }
    const header = Buffer.from(carry.subarray(0, this.#carryLength));
    this.#carryLength = 0;
    const result = this.#header(header, 0, at, chunk);
    if (result !== SCAN_DATA) return result;
    // All header bytes are handed over, so that the chunk's own part begins with the payload.
    this.carried = header;
    this.frameStart = at;
    return result;
  }

  /** Judges what is known of an incomplete header: its first two bytes, then its length. */
  #judgeCarry(): void {
    const carry = this.#carry!;
    if (this.#carryLength < 2) return;
    this.#judge(carry[0]!, carry[1]!);
    const maskBytes = this.#masked ? 4 : 0;
    if (this.#carryLength < headerLength(carry[1]!) - maskBytes) return;
    if ((carry[0]! & 0x0f) < OPCODE_CLOSE) this.#checkLength(payloadLength(carry, 0));
  }

  #checkLength(length: number): void {
    if (this.#messageBytes + length > this.#maxMessageBytes) {
      throw new FrameViolation(1009, 'message too long');
    }
  }

  #judge(first: number, second: number): void {
    if ((first & 0x70) !== 0) throw new FrameViolation(1002, 'reserved bits are set');
    if (second >= 0x80 !== this.#masked) {
      throw new FrameViolation(1002, this.#masked ? 'frame is not masked' : 'frame is masked');
    }
    const opcode = first & 0x0f;
    if (opcode >= OPCODE_CLOSE) judgeControl(opcode, first, second & 0x7f);
    else if (opcode === OPCODE_CONTINUATION) {
      if (this.#messageOpcode === 0) throw new FrameViolation(1002, 'continuation without start');
    } else if (opcode > OPCODE_BINARY) throw new FrameViolation(1002, 'unknown opcode');
    else if (this.#messageOpcode !== 0) {
      throw new FrameViolation(1002, 'new message inside a fragmented one');
    }
  }
}

function judgeControl(opcode: number, first: number, length: number): void {
  if (opcode > OPCODE_PONG) throw new FrameViolation(1002, 'unknown opcode');
  if (first < 0x80) throw new FrameViolation(1002, 'control frame is fragmented');
  if (length > maxControlBytes) throw new FrameViolation(1002, 'control frame too long');
  if (opcode === OPCODE_CLOSE && length === 1) {
    throw new FrameViolation(1002, 'close frame of one byte');
  }
}

/** Length of a whole header whose second byte is `second`. */
function headerLength(second: number): number {
  const length = second & 0x7f;
  const extended = length < 126 ? 0 : length === 126 ? 2 : 8;
  return 2 + extended + (second >= 0x80 ? 4 : 0);
}

function payloadLength(source: Buffer, at: number): number {
  const length = source[at + 1]! & 0x7f;
  if (length < 126) return length;
  if (length === 126) return (source[at + 2]! << 8) | source[at + 3]!;
  return source.readUInt32BE(at + 2) * TWO_POW_32 + source.readUInt32BE(at + 6);
}

function maskAt(source: Buffer, at: number): number {
  return source[at]! | (source[at + 1]! << 8) | (source[at + 2]! << 16) | (source[at + 3]! << 24);
}
