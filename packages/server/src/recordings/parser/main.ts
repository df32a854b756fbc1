/**
 * Parses the container of the audio file that is its standard input, and prints a `ParserReport` as
 * JSON. A program of its own, because a hostile file must not harm the server.
 */
import type { MeasuredAudio } from '@holdfast/protocol';
import { CustomSource, Input, MP4, OGG, WAVE, WEBM } from 'mediabunny';
import type { Container } from '../recording.ts';
import { Bytes } from './bytes.ts';
import { announcesTooMuch } from './check-counts.ts';

/** `fault` completes the sentence "audio_file …". */
type ParserReport = { readonly measured: MeasuredAudio } | { readonly fault: string };

/** Memory that parsing may cache. */
const CACHE_MAX_BYTES = 2 * 1024 * 1024;
/** A header that promises this much more than the packets hold means that the end is missing. */
const MISSING_END_S = 1;
const TRUNCATED = 'is truncated: its header promises more audio than there is.';

const CONTAINER_OF_FORMAT: Readonly<Record<string, Container>> = {
  WebM: 'webm',
  Ogg: 'ogg',
  MP4: 'mp4',
  WAVE: 'wav',
};

async function parse(bytes: Bytes): Promise<ParserReport> {
  if (isCutWave(bytes)) return { fault: TRUNCATED };
  const source = new CustomSource({
    getSize: () => bytes.sizeBytes,
    read: (start, end) => bytes.read(start, end - start),
    maxCacheSize: CACHE_MAX_BYTES,
    prefetchProfile: 'fileSystem',
    handleUnhandledError: () => undefined,
  });
  const input = new Input({ source, formats: [WEBM, OGG, MP4, WAVE] });
  try {
    if (announcesTooMuch(bytes)) return { fault: 'announces more samples than it has bytes.' };
    return await measure(input);
  } catch {
    return { fault: 'is damaged or is not WebM, Ogg, MP4 or WAV audio.' };
  }
}

async function measure(input: Input): Promise<ParserReport> {
  if (!(await input.canRead())) return { fault: 'is not WebM, Ogg, MP4 or WAV.' };
  const container = CONTAINER_OF_FORMAT[(await input.getFormat()).name];
  const track = await input.getPrimaryAudioTrack();
  if (container === undefined || track === null) return { fault: 'holds no audio.' };
  if (await input.getPrimaryVideoTrack()) return { fault: 'holds video; send audio only.' };
  const durationS = await track.computeDuration();
  if (!(durationS > 0)) return { fault: 'holds no audio.' };
  const promisedS = await input.getDurationFromMetadata();
  if (promisedS !== null && promisedS - durationS > MISSING_END_S) return { fault: TRUNCATED };
  return {
    measured: {
      container,
      codec: (await track.getCodec()) ?? 'unknown',
      duration_s: Math.round(durationS * 1000) / 1000,
      sample_rate: await track.getSampleRate(),
      channels: await track.getNumberOfChannels(),
    },
  };
}

/**
 * The parser reads a WAVE file as far as it goes; only the RIFF header shows a missing end. Its
 * size field counts what follows the first 8 bytes; recorders that stream leave 0 or all ones.
 */
function isCutWave(bytes: Bytes): boolean {
  const head = bytes.read(0, 8);
  if (head.length < 8 || head.toString('latin1', 0, 4) !== 'RIFF') return false;
  const promised = head.readUInt32LE(4);
  return promised !== 0 && promised !== 0xff_ff_ff_ff && promised + 8 > bytes.sizeBytes;
}

if (!process.argv.includes('--probe')) {
  process.stdout.write(JSON.stringify(await parse(new Bytes())));
}
