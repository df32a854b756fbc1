/**
 * Parses the container of the audio file that is its standard input, and prints a `ParserReport` as
 * JSON. A program of its own, because a hostile file must not harm the server.
 *
 * The library says what a file is: its codec, rate and channels. How much of it is there, our own
 * walks over the containers say: a header may promise anything, or nothing.
 */
import type { MeasuredAudio } from '@holdfast/protocol';
import { CustomSource, Input, MATROSKA, MP4, OGG, WEBM } from 'mediabunny';
import type { Container } from '../recording.ts';
import { Bytes } from './bytes.ts';
import { announcesTooMuch } from './check-counts.ts';
import { type Extent, Fault } from './extent.ts';
import { isMatroska, readMatroska, startsWithin } from './matroska.ts';
import { isMp4, readMp4 } from './mp4.ts';
import { isOgg, readOgg } from './ogg.ts';
import { isWave, readWave } from './wave.ts';

interface ParserEdit {
  readonly at: number;
  readonly remove: number;
  /** In hexadecimal. */
  readonly insert: string;
}

/** `fault` completes the sentence "audio_file …". */
type ParserReport =
  | { readonly measured: MeasuredAudio; readonly edits: readonly ParserEdit[] }
  | { readonly fault: string };

type Sound = Pick<MeasuredAudio, 'codec' | 'sample_rate' | 'channels'>;

/** Memory that parsing may cache. */
const CACHE_MAX_BYTES = 2 * 1024 * 1024;
/** A header that promises this much more than is there means that the end is missing. */
const MISSING_END_S = 1;

async function parse(bytes: Bytes): Promise<ParserReport> {
  try {
    return await measure(bytes);
  } catch (error) {
    if (error instanceof Fault) return { fault: error.message };
    return { fault: 'is damaged or is not WebM, Ogg, MP4 or WAV audio.' };
  }
}

async function measure(bytes: Bytes): Promise<ParserReport> {
  if (isWave(bytes)) {
    const { codec, sampleRate, channels, extent } = readWave(bytes);
    return report('wav', { codec, sample_rate: sampleRate, channels }, extent);
  }
  const container = containerOf(bytes);
  if (announcesTooMuch(bytes)) throw new Fault('announces more samples than it has bytes.');
  const extent = READERS[container](bytes);
  return report(container, await soundOf(bytes), extent);
}

const READERS = { webm: readMatroska, ogg: readOgg, mp4: readMp4 } as const;

function containerOf(bytes: Bytes): keyof typeof READERS {
  if (isMatroska(bytes)) return 'webm';
  if (isOgg(bytes)) return 'ogg';
  if (isMp4(bytes)) return 'mp4';
  if (startsWithin(bytes)) {
    throw new Fault('begins in the middle of a WebM recording: its first part is missing.');
  }
  throw new Fault('is not WebM, Ogg, MP4 or WAV.');
}

function report(container: Container, sound: Sound, extent: Extent): ParserReport {
  const { durationS, headerDurationS, isCut, edits = [] } = extent;
  if (!(durationS > 0)) throw new Fault('holds no audio: there is nothing after its header.');
  const isShort = headerDurationS !== null && headerDurationS - durationS > MISSING_END_S;
  return {
    measured: {
      container,
      ...sound,
      duration_s: milliseconds(durationS),
      header_duration_s: headerDurationS === null ? null : milliseconds(headerDurationS),
      truncated: isCut || isShort,
    },
    edits: edits.map(({ at, remove, insert }) => ({ at, remove, insert: insert.toString('hex') })),
  };
}

const milliseconds = (seconds: number) => Math.round(seconds * 1000) / 1000;

async function soundOf(bytes: Bytes): Promise<Sound> {
  const source = new CustomSource({
    getSize: () => bytes.sizeBytes,
    read: (start, end) => bytes.read(start, end - start),
    maxCacheSize: CACHE_MAX_BYTES,
    prefetchProfile: 'fileSystem',
    handleUnhandledError: () => undefined,
  });
  const input = new Input({ source, formats: [WEBM, MATROSKA, OGG, MP4] });
  const track = await input.getPrimaryAudioTrack();
  if (track === null) throw new Fault('holds no audio track.');
  if (await input.getPrimaryVideoTrack()) throw new Fault('holds video; send audio only.');
  return {
    codec: (await track.getCodec()) ?? 'unknown',
    sample_rate: await track.getSampleRate(),
    channels: await track.getNumberOfChannels(),
  };
}

if (!process.argv.includes('--probe')) {
  process.stdout.write(JSON.stringify(await parse(new Bytes())));
}
