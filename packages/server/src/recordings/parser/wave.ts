import type { Bytes } from './bytes.ts';
import { type Edit, type Extent, Fault } from './extent.ts';

/**
 * WAV, judged by the bytes that are there. Programs that write to a pipe cannot know the sizes that
 * the header wants: they leave 0, all ones, or about the most that fits, and some write a wrong
 * size. A size from whose end no chunks lead to the end of the file is not followed.
 */
export interface Wave {
  readonly codec: string;
  readonly sampleRate: number;
  readonly channels: number;
  readonly extent: Extent;
}

const HEAD_BYTES = 12;
const CHUNK_HEAD_BYTES = 8;
/** ffmpeg leaves all ones, arecord 0x80000000, espeak and sox slightly less than 0x7fffffff. */
const OPEN_SIZE = 0x7f_ff_00_00;
const UINT32_MAX = 0xff_ff_ff_ff;
/** Some writers count parts of the header, too. */
const HEAD_SLACK_BYTES = 64;
/** So many chunks may follow the audio. */
const FOLLOWING_MAX = 1000;
const CHUNK_ID = /^[\x20-\x7e]{4}$/;
const FORMAT_MIN_BYTES = 16;
const EXTENSIBLE = 0xfffe;
const SUBFORMAT_AT = 24;

const CODECS: Readonly<Record<string, string>> = {
  '1/1': 'pcm-u8',
  '1/2': 'pcm-s16',
  '1/3': 'pcm-s24',
  '1/4': 'pcm-s32',
  '3/4': 'pcm-f32',
  '3/8': 'pcm-f64',
  '6/1': 'alaw',
  '7/1': 'ulaw',
};

interface Format {
  readonly codec: string;
  readonly sampleRate: number;
  readonly channels: number;
  readonly frameBytes: number;
}

interface Walk {
  format?: Format;
  /** Of 64 bits, from a chunk before the data. */
  longSize?: number;
  durationS: number;
  headerDurationS: number | null;
  isCut: boolean;
  readonly edits: Edit[];
  /** How many recordings were joined. */
  parts: number;
}

export function isWave(bytes: Bytes, at = 0): boolean {
  return /^(RIFF|RF64|BW64)/.test(bytes.text(at, 4)) && bytes.text(at + 8, 4) === 'WAVE';
}

export function readWave(bytes: Bytes): Wave {
  const walk: Walk = { durationS: 0, headerDurationS: 0, isCut: false, edits: [], parts: 0 };
  for (let at = 0; at + CHUNK_HEAD_BYTES <= bytes.sizeBytes; ) {
    if (isWave(bytes, at)) {
      walk.parts += 1;
      at += HEAD_BYTES;
    } else {
      at = readChunk(bytes, at, walk);
    }
  }
  const { format, durationS, headerDurationS, isCut, edits } = walk;
  if (format === undefined) throw new Fault('holds no audio: its format (chunk fmt) is missing.');
  return {
    codec: format.codec,
    sampleRate: format.sampleRate,
    channels: format.channels,
    extent: { durationS, headerDurationS, isCut, edits: walk.parts === 1 ? edits : [] },
  };
}

/** Answers where the next chunk is. */
function readChunk(bytes: Bytes, at: number, walk: Walk): number {
  const id = bytes.text(at, 4);
  const sizeBytes = bytes.peek(at + 4, 4).readUInt32LE();
  const body = at + CHUNK_HEAD_BYTES;
  if (id === 'data') return readData(bytes, { at, sizeBytes }, walk);
  if (id === 'fmt ') walk.format = readFormat(bytes.read(body, Math.min(sizeBytes, 64)));
  if (id === 'ds64') walk.longSize = Number(bytes.read(body + 8, 8).readBigUInt64LE());
  return body + sizeBytes + (sizeBytes & 1);
}

function readData(bytes: Bytes, chunk: { at: number; sizeBytes: number }, walk: Walk): number {
  const { format } = walk;
  if (format === undefined) throw new Fault('holds audio without its format (chunk fmt).');
  const body = chunk.at + CHUNK_HEAD_BYTES;
  const restBytes = bytes.sizeBytes - body;
  const isLong = chunk.sizeBytes === UINT32_MAX && walk.longSize !== undefined;
  const saidBytes = isLong ? walk.longSize! : chunk.sizeBytes;
  const padded = body + saidBytes + (saidBytes & 1);
  const end = [padded, body + saidBytes].find(one => leadsToEnd(bytes, one));
  const isFollowed = saidBytes <= restBytes && end !== undefined;
  const isOpen = !isFollowed && (saidBytes === 0 || (!isLong && saidBytes >= OPEN_SIZE));
  const heldBytes = isFollowed ? saidBytes : restBytes;
  const secondsOf = (sizeBytes: number) =>
    Math.floor(sizeBytes / format.frameBytes) / format.sampleRate;
  walk.durationS += secondsOf(heldBytes);
  if (isOpen) walk.headerDurationS = null;
  else if (walk.headerDurationS !== null) walk.headerDurationS += secondsOf(saidBytes);
  walk.isCut ||= !isOpen && saidBytes > restBytes + HEAD_SLACK_BYTES;
  if (isOpen && heldBytes <= UINT32_MAX - body) {
    walk.edits.push(size(4, bytes.sizeBytes - 8), size(chunk.at + 4, heldBytes));
  }
  return isFollowed ? end : bytes.sizeBytes;
}

/**
 * Whether chunk after chunk leads from here to the end of the file, or to a recording that was
 * joined. Audio may look like the head of a chunk, but not like a row of them that ends there.
 */
function leadsToEnd(bytes: Bytes, from: number): boolean {
  let at = from;
  for (let chunks = 0; chunks < FOLLOWING_MAX; chunks++) {
    if (at === bytes.sizeBytes || at === bytes.sizeBytes + 1 || isWave(bytes, at)) return true;
    const head = bytes.peek(at, CHUNK_HEAD_BYTES);
    if (head.length < CHUNK_HEAD_BYTES || !CHUNK_ID.test(head.toString('latin1', 0, 4))) {
      return false;
    }
    const sizeBytes = head.readUInt32LE(4);
    at += CHUNK_HEAD_BYTES + sizeBytes + (sizeBytes & 1);
  }
  return false;
}

function readFormat(body: Buffer): Format {
  if (body.length < FORMAT_MIN_BYTES) throw new Fault('is cut within its format (chunk fmt).');
  const said = body.readUInt16LE(0);
  const isExtensible = said === EXTENSIBLE && body.length >= SUBFORMAT_AT + 2;
  const tag = isExtensible ? body.readUInt16LE(SUBFORMAT_AT) : said;
  const channels = body.readUInt16LE(2);
  const sampleRate = body.readUInt32LE(4);
  const sampleBytes = Math.ceil(body.readUInt16LE(14) / 8);
  const codec = CODECS[`${tag}/${sampleBytes}`];
  if (codec === undefined) {
    throw new Fault(
      `holds audio of WAV format ${tag} with ${sampleBytes * 8} bits; PCM, float, A-law and ` +
        'µ-law are read.',
    );
  }
  if (channels === 0 || sampleRate === 0) throw new Fault('holds audio of no channel or no rate.');
  return { codec, channels, sampleRate, frameBytes: channels * sampleBytes };
}

function size(at: number, value: number): Edit {
  const insert = Buffer.alloc(4);
  insert.writeUInt32LE(value);
  return { at, remove: 4, insert };
}
