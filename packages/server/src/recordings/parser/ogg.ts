import type { Bytes } from './bytes.ts';
import { type Extent, Fault, opusSeconds } from './extent.ts';

/**
 * Ogg: pages, each of one stream. Recordings that were joined are chained: streams begin again
 * after others have ended. The last page of each stream is marked, so a missing end is seen.
 * Sources: RFC 3533, RFC 7845.
 */
const CAPTURE = 'OggS';
const PAGE_HEAD_BYTES = 27;
const FIRST = 0x02;
const LAST = 0x04;
const CONTINUED = 0x01;
const OPUS_RATE = 48_000;
const OPUS_HEADERS = 2;
/** Streams that run side by side. */
const STREAMS_MAX = 32;
const FULL_SEGMENT = 255;

interface Page {
  readonly flags: number;
  /** Null where no packet ends on it. */
  readonly granule: number | null;
  readonly serial: number;
  readonly sizes: Buffer;
  readonly body: number;
  readonly end: number;
}

interface Stream {
  readonly isOpus: boolean;
  /** Samples a second; null: no audio that we know. */
  readonly rate: number | null;
  readonly preSkip: number;
  packets: number;
  /** By the packets that are there. */
  packetsS: number;
  firstGranule: number | null;
  lastGranule: number | null;
  /** The beginning of a packet that goes on over a page's end. */
  begun: Buffer | null;
  hasEnded: boolean;
}

export function isOgg(bytes: Bytes): boolean {
  return bytes.text(0, 4) === CAPTURE;
}

export function readOgg(bytes: Bytes): Extent {
  let streams = new Map<number, Stream>();
  let durationS = 0;
  let isCut = false;
  let isBeginning = true;
  const close = () => {
    durationS += Math.max(0, ...[...streams.values()].map(secondsOf));
    isCut ||= [...streams.values()].some(stream => stream.rate !== null && !stream.hasEnded);
    streams = new Map();
  };
  for (let at = 0; at < bytes.sizeBytes; ) {
    const page = readPage(bytes, at);
    if (page === undefined) {
      isCut = true;
      at = bytes.find(CAPTURE, at + 1);
      if (at < 0) break;
      continue;
    }
    if (page.flags & FIRST) {
      if (!isBeginning) close();
      isBeginning = true;
      if (streams.size >= STREAMS_MAX) throw new Fault('announces too many streams.');
      streams.set(page.serial, newStream(bytes, page));
    } else {
      isBeginning = false;
    }
    const stream = streams.get(page.serial);
    if (stream?.rate) takePage(bytes, page, stream);
    at = page.end;
  }
  close();
  return { durationS, headerDurationS: null, isCut };
}

function readPage(bytes: Bytes, at: number): Page | undefined {
  const head = bytes.peek(at, PAGE_HEAD_BYTES);
  if (head.length < PAGE_HEAD_BYTES || head.toString('latin1', 0, 4) !== CAPTURE) return undefined;
  const sizes = bytes.peek(at + PAGE_HEAD_BYTES, head[26]!);
  const body = at + PAGE_HEAD_BYTES + head[26]!;
  const end = sizes.reduce((sum, size) => sum + size, body);
  if (end > bytes.sizeBytes || sizes.length < head[26]!) return undefined;
  const granule = head.readBigInt64LE(6);
  return {
    flags: head[5]!,
    granule: granule < 0n ? null : Number(granule),
    serial: head.readUInt32LE(14),
    sizes,
    body,
    end,
  };
}

function newStream(bytes: Bytes, { body, end }: Page): Stream {
  const head = bytes.read(body, Math.min(32, end - body));
  const isOpus = head.toString('latin1', 0, 8) === 'OpusHead' && head.length >= 12;
  const isVorbis = head.toString('latin1', 0, 7) === '\x01vorbis' && head.length >= 16;
  return {
    isOpus,
    rate: isOpus ? OPUS_RATE : isVorbis ? head.readUInt32LE(12) : null,
    preSkip: isOpus ? head.readUInt16LE(10) : 0,
    packets: 0,
    packetsS: 0,
    firstGranule: null,
    lastGranule: null,
    begun: null,
    hasEnded: false,
  };
}

function takePage(bytes: Bytes, page: Page, stream: Stream): void {
  const beforeS = stream.packetsS;
  if (!(page.flags & CONTINUED)) stream.begun = null;
  let at = page.body;
  let packetAt = at;
  for (const size of page.sizes) {
    at += size;
    if (size === FULL_SEGMENT) continue;
    endPacket(stream, stream.begun ?? bytes.peek(packetAt, Math.min(2, at - packetAt)));
    packetAt = at;
  }
  if (packetAt < at) stream.begun ??= bytes.peek(packetAt, 2);
  stream.hasEnded ||= (page.flags & LAST) !== 0;
  if (page.granule === null || page.granule === 0) return;
  const pageSamples = (stream.packetsS - beforeS) * OPUS_RATE;
  stream.firstGranule ??= Math.max(0, page.granule - pageSamples);
  stream.lastGranule = page.granule;
}

function endPacket(stream: Stream, start: Buffer): void {
  stream.begun = null;
  stream.packets += 1;
  if (stream.isOpus && stream.packets > OPUS_HEADERS) stream.packetsS += opusSeconds(start);
}

/** Opus shows the length of each packet; the last granule says how much of the last one counts. */
function secondsOf(stream: Stream): number {
  const { rate, isOpus, packetsS, preSkip, firstGranule, lastGranule } = stream;
  if (rate === null || rate === 0) return 0;
  const spanS = ((lastGranule ?? 0) - (firstGranule ?? 0)) / rate;
  if (!isOpus) return (lastGranule ?? 0) / rate;
  return Math.max(0, Math.min(packetsS, spanS > 0 ? spanS : packetsS) - preSkip / rate);
}
