/**
 * For the fuzz beside it: seeded streams of WebSocket frames, mostly right, some of which break a
 * rule near their end, and a way to cut them into chunks. Same seed, same streams.
 */

/** A small fast generator of random numbers (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * below);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

const POOL_BYTES = 1 << 20;
const MAX_LENGTH = 70_000;
const EDGES = [0, 1, 124, 125, 126, 127, 1280, 65_535, 65_536, MAX_LENGTH];
const WORDS = '{"type":"conversation.item.create","text":"voilà, 音声, 🎙️"} input_audio_buffer ';

export class StreamMaker {
  readonly #random: Random;
  readonly #text: Buffer;
  readonly #noise: Buffer;

  constructor(random: Random) {
    this.#random = random;
    this.#text = Buffer.from(WORDS.repeat(Math.ceil(POOL_BYTES / WORDS.length)));
    this.#noise = Buffer.alloc(POOL_BYTES, 0);
    for (let i = 0; i < POOL_BYTES; i++) this.#noise[i] = random.below(256);
  }

  /** A stream of at least `frameCount` frames in one direction. */
  make(masked: boolean, frameCount: number): Buffer {
    const random = this.#random;
    const parts: Buffer[] = [];
    while (parts.length < frameCount) this.#message(masked, parts);
    if (random.chance(60)) parts.push(this.#ending(masked));
    // No decoder may read past an ending, however much follows it.
    while (random.chance(30)) this.#message(masked, parts);
    const bytes = Buffer.concat(parts);
    if (random.chance(5)) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    return bytes;
  }

  /** One message in one or several frames, with control frames before and between them. */
  #message(masked: boolean, parts: Buffer[]): void {
    const random = this.#random;
    const opcode = random.pick([1, 1, 1, 2]);
    const payload = opcode === 1 ? this.#textPayload() : this.#slice(this.#noise, this.#length());
    let left = random.chance(70) ? 1 : 1 + random.below(5);
    let at = 0;
    for (let first = true; left > 0; first = false) {
      while (random.chance(10)) parts.push(this.#control(masked));
      left--;
      const to = left === 0 ? payload.length : at + random.below(payload.length - at + 1);
      const fragment = payload.subarray(at, to);
      parts.push(this.#frame(first ? opcode : 0, fragment, { masked, fin: left === 0 }));
      at = to;
    }
  }

  #length(): number {
    return this.#random.chance(2) ? this.#random.pick(EDGES) : this.#random.below(200);
  }

  /** Whole characters, but for one message in five hundred. */
  #textPayload(): Buffer {
    const start = this.#random.below(POOL_BYTES - 2 * MAX_LENGTH);
    const end = start + this.#length();
    if (this.#random.below(500) === 0) return this.#text.subarray(start, end);
    return this.#text.subarray(this.#characterAt(start), this.#characterAt(end));
  }

  #characterAt(offset: number): number {
    let at = offset;
    while ((this.#text[at]! & 0xc0) === 0x80) at++;
    return at;
  }

  #slice(pool: Buffer, length: number): Buffer {
    const at = this.#random.below(POOL_BYTES - length);
    return pool.subarray(at, at + length);
  }

  #control(masked: boolean): Buffer {
    const payload = this.#slice(this.#noise, this.#random.pick([0, 4, 4, 4, 125]));
    return this.#frame(this.#random.pick([9, 10]), payload, { masked, fin: true });
  }

  /** A close frame, right or wrong, or one of the other rules broken. */
  #ending(masked: boolean): Buffer {
    const random = this.#random;
    const whole = { masked, fin: true };
    const code = random.pick([1000, 1001, 1003, 1004, 1005, 1006, 1011, 1015, 2999, 3000, 4999, 7]);
    const payload = Buffer.concat([
      Buffer.from([code >> 8, code & 255]),
      this.#slice(this.#text, random.below(20)),
    ]);
    const frame = this.#frame(random.pick([1, 2, 9]), this.#slice(this.#noise, 20), whole);
    const endings: (() => Buffer)[] = [
      () => this.#frame(8, payload, whole),
      () => this.#frame(8, payload.subarray(0, random.below(3)), whole),
      () => this.#frame(random.pick([3, 7, 11, 15]), payload, whole),
      () => this.#frame(random.pick([8, 9, 10]), payload, { masked, fin: false }),
      () => this.#frame(9, this.#slice(this.#noise, 126), whole),
      () => this.#frame(1, payload, { masked: !masked, fin: true }),
      () => this.#frame(0, payload, whole),
      () => this.#frame(2, payload, { masked, fin: true, length: 10 * 2 ** 30 }),
      () => this.#frame(2, payload, { masked, fin: true, length: 2 ** 60 }),
      () => {
        frame[0]! |= 1 << (4 + random.below(3));
        return frame;
      },
    ];
    return random.pick(endings)();
  }

  #frame(
    opcode: number,
    payload: Buffer,
    options: { masked: boolean; fin: boolean; length?: number },
  ): Buffer {
    const length = options.length ?? payload.length;
    // Now and then a length in more bytes than needed, which all decoders accept.
    const wide = opcode < 8 && this.#random.chance(1);
    const extended = length > 65_535 ? 8 : length > 125 || wide ? 2 : 0;
    const maskBytes = options.masked ? 4 : 0;
    const frame = Buffer.allocUnsafe(2 + extended + maskBytes + payload.length);
    frame[0] = (options.fin ? 0x80 : 0) | opcode;
    frame[1] = (options.masked ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127);
    if (extended === 2) frame.writeUInt16BE(length, 2);
    if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2);
    const at = 2 + extended + maskBytes;
    payload.copy(frame, at);
    if (!options.masked) return frame;
    const mask = this.#random.chance(5) ? 0 : this.#random.below(2 ** 32);
    frame.writeUInt32LE(mask, at - 4);
    for (let i = 0; i < payload.length; i++) frame[at + i]! ^= (mask >>> ((i & 3) * 8)) & 255;
    return frame;
  }
}

/** Where to cut `bytes`: sizes from single bytes to the whole, changing along the way. */
export function* cuts(bytes: Buffer, random: Random): Generator<Buffer> {
  let at = 0;
  while (at < bytes.length) {
    const most = random.pick([2, 8, 100, 1000, 1000, 65_536]);
    const to = Math.min(bytes.length, at + 1 + random.below(most));
    yield bytes.subarray(at, to);
    at = to;
  }
}
