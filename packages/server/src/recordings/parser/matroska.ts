import type { Bytes } from './bytes.ts';
import { type Edit, type Extent, Fault, opusSeconds, Timeline } from './extent.ts';

/**
 * WebM and Matroska: a walk over all elements, from the front to the back. Recorders that stream
 * leave the sizes of segments and clusters open and write no duration; recordings that were joined
 * have several headers. So elements that hold others are entered, whatever size they have, and the
 * walk needs to know nothing of where they end.
 */
const ID = {
  ebml: 0x1a_45_df_a3,
  segment: 0x18_53_80_67,
  seekHead: 0x11_4d_9b_74,
  cues: 0x1c_53_bb_6b,
  info: 0x15_49_a9_66,
  timestampScale: 0x2a_d7_b1,
  duration: 0x44_89,
  tracks: 0x16_54_ae_6b,
  trackEntry: 0xae,
  trackNumber: 0xd7,
  trackType: 0x83,
  codec: 0x86,
  defaultDuration: 0x23_e3_83,
  audio: 0xe1,
  sampleRate: 0xb5,
  channels: 0x9f,
  bitDepth: 0x62_64,
  cluster: 0x1f_43_b6_75,
  clusterTime: 0xe7,
  simpleBlock: 0xa3,
  blockGroup: 0xa0,
  block: 0xa1,
  blockDuration: 0x9b,
} as const;

/** Elements that are entered. */
const HOLDERS: ReadonlySet<number> = new Set([
  ID.segment,
  ID.info,
  ID.tracks,
  ID.trackEntry,
  ID.audio,
  ID.cluster,
  ID.blockGroup,
]);
const AUDIO_TRACK = 2;
const ID_BYTES_MAX = 4;
const SIZE_BYTES_MAX = 8;
const TRACKS_MAX = 64;
const NANOSECONDS = 1e9;
/** Header of a block behind the number of its track: time and flags. */
const BLOCK_HEAD_BYTES = 3;
const LACING = 0x06;
const AAC_FRAME_SAMPLES = 1024;

interface Element {
  readonly id: number;
  readonly at: number;
  readonly body: number;
  /** Null: open. */
  readonly sizeBytes: number | null;
}

interface Track {
  number: number;
  isAudio: boolean;
  codec: string;
  frameS: number;
  sampleRate: number;
  channels: number;
  sampleBytes: number;
}

interface Head {
  readonly segment: Element;
  /** Seconds of a unit of time. */
  unitS: number;
  info?: Element;
  duration?: Element;
  hasPositions: boolean;
}

export function isMatroska(bytes: Bytes): boolean {
  return bytes.uint32(0) === ID.ebml;
}

/** Recorders hand a recording out in parts, of which only the first is a file by itself. */
export function startsWithin(bytes: Bytes): boolean {
  return bytes.uint32(0) === ID.cluster || bytes.text(0, 1) === '\xa3';
}

export function readMatroska(bytes: Bytes): Extent {
  const walk = new Walk(bytes);
  let isCut = false;
  for (let at = 0; at < bytes.sizeBytes; ) {
    const element = readElement(bytes, at);
    if (element === undefined) {
      isCut = walk.isOpenAt(at);
      break;
    }
    const end = element.body + (element.sizeBytes ?? 0);
    isCut ||= end > bytes.sizeBytes;
    walk.take(element);
    at = HOLDERS.has(element.id) ? element.body : end;
  }
  return { ...walk.extent(), isCut };
}

/** What the walk has seen. */
class Walk {
  readonly #bytes: Bytes;
  readonly #timeline = new Timeline();
  readonly #tracks: Track[] = [];
  #heads = 0;
  #head: Head | undefined;
  #headerDurationS: number | null = null;
  #clusterTime = 0;
  /** The last block, whose duration may follow it. */
  #block: { track: Track; startS: number } | undefined;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  /** Whether more of a segment had to come. */
  isOpenAt(at: number): boolean {
    const { segment } = this.#head ?? {};
    return segment?.sizeBytes !== null && segment !== undefined
      ? segment.body + segment.sizeBytes > at
      : true;
  }

  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one flat list of elements.
  take(element: Element): void {
    const head = this.#head;
    const track = this.#tracks.at(-1);
    switch (element.id) {
      case ID.segment:
        this.#heads += 1;
        this.#head = { segment: element, unitS: 1e-3, hasPositions: false };
        this.#tracks.length = 0;
        this.#timeline.restart();
        break;
      case ID.info:
        if (head) head.info = element;
        break;
      case ID.seekHead:
      case ID.cues:
        if (head) head.hasPositions = true;
        break;
      case ID.timestampScale:
        if (head) head.unitS = this.#uint(element) / NANOSECONDS;
        break;
      case ID.duration:
        if (head) head.duration = element;
        this.#headerDurationS = (this.#headerDurationS ?? 0) + this.#float(element) * this.#unitS;
        break;
      case ID.trackEntry:
        if (this.#tracks.length >= TRACKS_MAX) throw new Fault('announces too many tracks.');
        this.#tracks.push({
          number: 0,
          isAudio: false,
          codec: '',
          frameS: 0,
          sampleRate: 8000,
          channels: 1,
          sampleBytes: 0,
        });
        break;
      case ID.trackNumber:
        if (track) track.number = this.#uint(element);
        break;
      case ID.trackType:
        if (track) track.isAudio = this.#uint(element) === AUDIO_TRACK;
        break;
      case ID.codec:
        if (track)
          track.codec = this.#bytes.text(element.body, Math.min(element.sizeBytes ?? 0, 64));
        break;
      case ID.defaultDuration:
        if (track) track.frameS = this.#uint(element) / NANOSECONDS;
        break;
      case ID.sampleRate:
        if (track) track.sampleRate = this.#float(element);
        break;
      case ID.channels:
        if (track) track.channels = this.#uint(element);
        break;
      case ID.bitDepth:
        if (track) track.sampleBytes = this.#uint(element) / 8;
        break;
      case ID.clusterTime:
        this.#clusterTime = this.#uint(element);
        break;
      case ID.simpleBlock:
      case ID.block:
        this.#takeBlock(element);
        break;
      case ID.blockDuration:
        this.#takeBlockDuration(element);
        break;
    }
  }

  get #unitS(): number {
    return this.#head?.unitS ?? 1e-3;
  }

  #takeBlock({ body, sizeBytes }: Element): void {
    const end = body + (sizeBytes ?? 0);
    if (end > this.#bytes.sizeBytes) return;
    const head = this.#bytes.peek(body, SIZE_BYTES_MAX + BLOCK_HEAD_BYTES + 1);
    const number = readSize(head, 0);
    if (number === undefined || head.length < number.length + BLOCK_HEAD_BYTES) return;
    const track = this.#tracks.find(one => one.isAudio && one.number === number.value);
    if (track === undefined) return;
    const time = head.readInt16BE(number.length);
    const isLaced = (head[number.length + 2]! & LACING) !== 0;
    const data = number.length + BLOCK_HEAD_BYTES;
    const startS = (this.#clusterTime + time) * this.#unitS;
    const frames = isLaced ? (head[data] ?? 0) + 1 : 1;
    const lastS = frameSeconds(this.#bytes, { at: body + data + (isLaced ? 1 : 0), end }, track);
    this.#timeline.add(startS, startS + frames * lastS);
    this.#block = { track, startS };
  }

  #takeBlockDuration(element: Element): void {
    if (this.#block === undefined) return;
    const { startS } = this.#block;
    this.#timeline.add(startS, startS + this.#uint(element) * this.#unitS);
  }

  extent(): Omit<Extent, 'isCut'> {
    const { durationS } = this.#timeline;
    const said = this.#headerDurationS;
    const headerDurationS = said !== null && said > 0 ? said : null;
    const head = this.#head;
    const isOne = this.#heads === 1 && head !== undefined && headerDurationS === null;
    const edits = isOne && durationS > 0 ? durationEdits(this.#bytes, head, durationS) : [];
    return { durationS, headerDurationS, edits };
  }

  #uint({ body, sizeBytes }: Element): number {
    let value = 0;
    const bytes = this.#bytes.peek(body, Math.min(sizeBytes ?? 0, SIZE_BYTES_MAX));
    for (const byte of bytes) value = value * 256 + byte;
    return value;
  }

  #float({ body, sizeBytes }: Element): number {
    const bytes = this.#bytes.peek(body, Math.min(sizeBytes ?? 0, SIZE_BYTES_MAX));
    const value =
      bytes.length === 8 ? bytes.readDoubleBE() : bytes.length === 4 ? bytes.readFloatBE() : 0;
    return Number.isFinite(value) && value > 0 ? value : 0;
  }
}

/** How long the frame at `at` lasts; of formats that do not show it, what the track says. */
function frameSeconds(bytes: Bytes, frame: { at: number; end: number }, track: Track): number {
  const { codec, frameS, sampleBytes, sampleRate, channels } = track;
  if (codec.startsWith('A_OPUS')) return opusSeconds(bytes.peek(frame.at, 2));
  if (codec.startsWith('A_AAC') && sampleRate > 0) return AAC_FRAME_SAMPLES / sampleRate;
  const bytesPerS = sampleBytes * sampleRate * channels;
  if (codec.startsWith('A_PCM') && bytesPerS > 0) return (frame.end - frame.at) / bytesPerS;
  return frameS;
}

const DURATION_BYTES = 8;

/**
 * Writes the duration of a recording that a browser has streamed, so that players know its length
 * and can go to any place: over an empty one, or as the last part of the segment's information.
 * Where the file names positions these would shift, so it is left as it is.
 */
function durationEdits(bytes: Bytes, head: Head, durationS: number): Edit[] {
  const { segment, info, duration, unitS } = head;
  const value = Buffer.alloc(DURATION_BYTES);
  value.writeDoubleBE(durationS / unitS);
  if (duration?.sizeBytes === DURATION_BYTES) {
    return [{ at: duration.body, remove: DURATION_BYTES, insert: value }];
  }
  if (duration !== undefined || head.hasPositions || !info?.sizeBytes) return [];
  const end = info.body + info.sizeBytes;
  if (end > bytes.sizeBytes) return [];
  const element = Buffer.concat([Buffer.from([0x44, 0x89, 0x80 | DURATION_BYTES]), value]);
  const sizeAt = (of: Element) => of.at + ID_BYTES_MAX;
  const resize = (of: Element, byBytes: number): Edit => {
    const at = sizeAt(of);
    return { at, remove: of.body - at, insert: longSize(of.sizeBytes! + byBytes) };
  };
  const wider = SIZE_BYTES_MAX - (info.body - sizeAt(info));
  return [
    ...(segment.sizeBytes === null ? [] : [resize(segment, element.length + wider)]),
    resize(info, element.length),
    { at: end, remove: 0, insert: element },
  ];
}

/** A size in the longest form. */
function longSize(sizeBytes: number): Buffer {
  const size = Buffer.alloc(SIZE_BYTES_MAX);
  size.writeBigUInt64BE(BigInt(sizeBytes));
  size[0] = 1;
  return size;
}

/** Undefined where no element begins, or the file ends within its head. */
function readElement(bytes: Bytes, at: number): Element | undefined {
  const head = bytes.peek(at, ID_BYTES_MAX + SIZE_BYTES_MAX);
  const idBytes = lengthOf(head, 0);
  if (idBytes === undefined || idBytes > ID_BYTES_MAX) return undefined;
  const size = readSize(head, idBytes);
  if (size === undefined) return undefined;
  const id = head.readUIntBE(0, idBytes);
  return { id, at, body: at + idBytes + size.length, sizeBytes: size.value };
}

/** A number of variable length; null where all its bits are set. */
function readSize(head: Buffer, at: number): { value: number | null; length: number } | undefined {
  const length = lengthOf(head, at);
  if (length === undefined || head.length < at + length) return undefined;
  const most = 0xff >> length;
  let value = head[at]! & most;
  let isOpen = value === most;
  for (let index = at + 1; index < at + length; index++) {
    value = value * 256 + head[index]!;
    isOpen &&= head[index] === 0xff;
  }
  return { value: isOpen ? null : value, length };
}

/** How many bytes a number has, by its first one. */
function lengthOf(head: Buffer, at: number): number | undefined {
  const first = head[at];
  return first === undefined || first === 0 ? undefined : Math.clz32(first) - 23;
}
