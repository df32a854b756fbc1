import { open } from 'node:fs/promises';
import type { MeasuredAudio } from '@holdfast/protocol';
import { FilePathSource, Input, MP4, OGG, WAVE, WEBM } from 'mediabunny';
import { HoldfastError, within } from '../kernel/index.ts';
import type { Container } from './recording.ts';

/** Memory that parsing one file may cache. */
const PARSE_CACHE_MAX_BYTES = 2 * 1024 * 1024;
/** A hostile file must not keep the parser busy for ever. */
const MEASURE_TIMEOUT_MS = 30_000;
/** A header that promises this much more than the packets hold means that the end is missing. */
const MISSING_END_S = 1;

const CONTAINER_OF_FORMAT: Readonly<Record<string, Container>> = {
  WebM: 'webm',
  Ogg: 'ogg',
  MP4: 'mp4',
  WAVE: 'wav',
};

/**
 * Parses the container of a finished file and measures its audio. Throws `unprocessable` naming
 * `audio_file` when it is no accepted container, holds no audio, or lacks its end.
 */
export async function measureAudio(path: string): Promise<MeasuredAudio> {
  await refuseCutWave(path);
  const source = new FilePathSource(path, {
    maxCacheSize: PARSE_CACHE_MAX_BYTES,
    handleUnhandledError: () => undefined,
  });
  const input = new Input({ source, formats: [WEBM, OGG, MP4, WAVE] });
  try {
    return await within(read(input), MEASURE_TIMEOUT_MS, () => {
      throw notAudio('audio_file takes too long to parse.');
    });
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw notAudio('audio_file is damaged or is not WebM, Ogg, MP4 or WAV audio.', error);
  } finally {
    input.dispose();
  }
}

async function read(input: Input): Promise<MeasuredAudio> {
  if (!(await input.canRead())) {
    throw notAudio('audio_file is not WebM, Ogg, MP4 or WAV.');
  }
  const container = CONTAINER_OF_FORMAT[(await input.getFormat()).name];
  const track = await input.getPrimaryAudioTrack();
  if (container === undefined || track === null) throw notAudio('audio_file holds no audio.');
  if (await input.getPrimaryVideoTrack())
    throw notAudio('audio_file holds video; send audio only.');
  const durationS = await track.computeDuration();
  if (!(durationS > 0)) throw notAudio('audio_file holds no audio.');
  const promisedS = await input.getDurationFromMetadata();
  if (promisedS !== null && promisedS - durationS > MISSING_END_S) {
    throw notAudio('audio_file is truncated: its header promises more audio than there is.');
  }
  return {
    container,
    codec: (await track.getCodec()) ?? 'unknown',
    duration_s: Math.round(durationS * 1000) / 1000,
    sample_rate: await track.getSampleRate(),
    channels: await track.getNumberOfChannels(),
  };
}

/**
 * The parser reads a WAVE file as far as it goes; only the RIFF header shows a missing end. Its
 * size field counts what follows the first 8 bytes; recorders that stream leave 0 or all ones.
 */
async function refuseCutWave(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(8);
    const { bytesRead } = await file.read(head, 0, 8, 0);
    if (bytesRead < 8 || head.toString('latin1', 0, 4) !== 'RIFF') return;
    const promised = head.readUInt32LE(4);
    if (promised === 0 || promised === 0xff_ff_ff_ff) return;
    if (promised + 8 > (await file.stat()).size) {
      throw notAudio('audio_file is truncated: its header promises more audio than there is.');
    }
  } finally {
    await file.close();
  }
}

function notAudio(detail: string, cause?: unknown): HoldfastError {
  return new HoldfastError('unprocessable', detail, { field: 'audio_file', cause });
}
