import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findBinary } from '../../../../tools/services/binaries.ts';
import { createMeasureAudio } from './measure.ts';
import { PARSERS } from './testing.ts';
import { fragmentedMp4, nestedMp4, seekingWebm } from './testing-media.ts';

const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name);
const warned: string[] = [];
const log = { warn: (event: string) => void warned.push(event) };
const measureAudio = createMeasureAudio({ ...PARSERS, log });
let dir: string;
let ffmpeg: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-measure-'));
  ffmpeg = await findBinary({ names: ['ffmpeg'], aptPackage: 'ffmpeg' });
});
afterAll(() => rm(dir, { recursive: true }));
beforeEach(() => {
  warned.length = 0;
});

async function file(bytes: Buffer | string): Promise<string> {
  const path = join(dir, 'upload');
  await writeFile(path, bytes);
  return path;
}

const measure = async (bytes: Buffer) => (await measureAudio(await file(bytes))).measured;
const faultOf = async (bytes: Buffer | string) =>
  measureAudio(await file(bytes)).then(
    () => 'none',
    error => [error.code, error.field, error.detail].join(' '),
  );

const made = new Map<string, Buffer>();

/** Four seconds of a tone as FFmpeg writes them: into a file, or, without a name, into a pipe. */
function tone(args: string, name?: string): Buffer {
  const known = made.get(args + name);
  if (known) return known;
  const source = '-v error -y -f lavfi -i sine=frequency=440:duration=4:sample_rate=48000';
  const words = `${source} ${args} ${name === undefined ? '-' : join(dir, name)}`.split(' ');
  const piped = execFileSync(ffmpeg, words, { maxBuffer: 16 * 1024 * 1024 });
  const bytes =
    name === undefined ? piped : execFileSync('cat', [join(dir, name)], { maxBuffer: 2 ** 24 });
  made.set(args + name, bytes);
  return bytes;
}

/** How many seconds FFmpeg decodes of a file. */
async function decodedSeconds(bytes: Buffer): Promise<number> {
  const path = await file(bytes);
  const args = ['-v', 'quiet', '-i', path, '-f', 's16le', '-ac', '1', '-ar', '8000', '-'];
  return execFileSync(ffmpeg, args, { maxBuffer: 16 * 1024 * 1024 }).length / 16_000;
}

/** Cuts off the last share of a file. */
const cut = (bytes: Buffer, keep = 0.99) => bytes.subarray(0, Math.floor(bytes.length * keep));

/** The same with other sizes in its header. */
function waveWith(riffBytes: number, dataBytes: number): Buffer {
  const bytes = Buffer.from(tone('-bitexact', 'plain.wav'));
  bytes.writeUInt32LE(riffBytes, 4);
  bytes.writeUInt32LE(dataBytes, 40);
  return bytes;
}

const files = {
  wav: () => tone('-bitexact', 'plain.wav'),
  webm: () => tone('-c:a libopus', 'o.webm'),
  streamed: () => tone('-c:a libopus -live 1 -f webm'),
  pcm: () => tone('-c:a pcm_f32le -f matroska', 'pcm.mka'),
  ogg: () => tone('-c:a libopus', 'o.ogg'),
  vorbis: () => tone('-c:a libvorbis', 'v.ogg'),
  mp4: () => tone('-c:a aac', 'o.mp4'),
  fast: () => tone('-c:a aac -movflags +faststart', 'fast.mp4'),
  fragments: () =>
    tone('-c:a aac -movflags empty_moov+default_base_moof -frag_duration 500000', 'f.mp4'),
};
type File = keyof typeof files;
const FILES = Object.keys(files) as File[];
const JOINED: File[] = ['wav', 'webm', 'streamed', 'ogg', 'fast', 'fragments'];

describe('measureAudio', () => {
  it.each([
    ['tone.webm', 'webm', 'opus', 48_000],
    ['tone.ogg', 'ogg', 'opus', 48_000],
    ['tone.mp4', 'mp4', 'aac', 24_000],
    ['tone.wav', 'wav', 'pcm-s16', 8_000],
  ])('measures %s', async (name, container, codec, sample_rate) => {
    const { measured } = await measureAudio(fixture(name));
    expect(measured).toMatchObject({ container, codec, sample_rate, channels: 1 });
    expect(measured).toMatchObject({ truncated: false });
    expect(measured.duration_s).toBeCloseTo(3, 1);
  });

  it.each(FILES)('measures as much of %s as FFmpeg plays', async name => {
    const measured = await measure(files[name]());
    expect(measured.truncated).toBe(false);
    expect(measured.duration_s).toBeCloseTo(await decodedSeconds(files[name]()), 1);
  });

  it.each(FILES.filter(name => name !== 'mp4'))('marks %s that lacks its last part', async name => {
    const part = cut(files[name]());
    const measured = await measure(part);
    expect(measured.truncated).toBe(true);
    const playedS = await decodedSeconds(part);
    expect(Math.abs(measured.duration_s - playedS)).toBeLessThan(0.12);
    const says = ['wav', 'webm', 'pcm', 'fast'].includes(name);
    expect(measured.header_duration_s).toEqual(says ? expect.closeTo(4, 1) : null);
  });

  it.each(JOINED)('measures the whole of %s joined with another', async name => {
    const measured = await measure(Buffer.concat([files[name](), files[name]()]));
    expect(measured.duration_s).toBeCloseTo(8, 0);
    expect(measured.truncated).toBe(false);
  });

  it.each([
    ['a pipe of FFmpeg', () => tone('-f wav')],
    ['no sizes', () => waveWith(0, 0)],
    ['the largest size', () => waveWith(0x7f_ff_ff_ff, 0x7f_ff_ff_ff)],
    ['a pipe of espeak-ng', () => waveWith(0x7f_ff_f0_24, 0x7f_ff_f0_00)],
    ['a pipe of arecord', () => waveWith(0x80_00_00_24, 0x80_00_00_00)],
    ['all ones', () => waveWith(0xff_ff_ff_ff, 0xff_ff_ff_ff)],
  ])('reads WAV with %s to its end, and writes the sizes', async (_name, make) => {
    const bytes = make();
    const { measured, edits } = await measureAudio(await file(bytes));
    expect(measured).toMatchObject({ duration_s: 4, header_duration_s: null, truncated: false });
    const mended = Buffer.from(bytes);
    for (const { at, remove, insert } of edits) {
      expect(remove).toBe(4);
      Buffer.from(insert, 'hex').copy(mended, at);
    }
    expect(mended.readUInt32LE(4)).toBe(bytes.length - 8);
    expect(mended.readUInt32LE(mended.indexOf('data') + 4)).toBe(4 * 96_000);
    expect(await decodedSeconds(mended)).toBe(4);
  });

  it('keeps what a wrong size of WAV says beside what is there', async () => {
    const whole = files.wav().length - 44;
    const half = await measure(waveWith(36 + whole / 2, whole / 2 + 1));
    expect(half).toMatchObject({ duration_s: 4, header_duration_s: 2, truncated: false });
    const double = await measure(waveWith(36 + whole * 2, whole * 2));
    expect(double).toMatchObject({ duration_s: 4, header_duration_s: 8, truncated: true });
  });

  it('takes no audio for a chunk, and no header for a missing end', async () => {
    // Four letters and a size that fits, where a chunk could be; there are only samples.
    const bytes = waveWith(0, 0);
    bytes.write('fact', 44, 'latin1');
    bytes.writeUInt32LE(1000, 48);
    expect(await measure(bytes)).toMatchObject({ duration_s: 4, header_duration_s: null });
    const whole = files.wav().length - 44;
    const counted = await measure(waveWith(whole + 44, whole + 44));
    expect(counted).toMatchObject({ duration_s: 4, truncated: false });
    const list = Buffer.concat([files.wav(), Buffer.from('LIST\x04\0\0\0INFO', 'latin1')]);
    expect(await measure(list)).toMatchObject({ duration_s: 4, header_duration_s: 4 });
  });

  it('keeps a duration that the header promises beside what is there', async () => {
    const bytes = Buffer.from(files.webm());
    const at = bytes.indexOf(Buffer.from([0x44, 0x89, 0x88])) + 3;
    bytes.writeDoubleBE(60_000, at);
    const { measured, edits } = await measureAudio(await file(bytes));
    expect(measured).toMatchObject({ header_duration_s: 60, truncated: true });
    expect(measured.duration_s).toBeCloseTo(4, 1);
    expect(edits).toEqual([]);
  });

  it('refuses what holds no audio, and says why', async () => {
    const refused = (why: string) => `unprocessable audio_file audio_file ${why}`;
    const stranger = refused('is not WebM, Ogg, MP4 or WAV.');
    expect(await faultOf('this is not audio, whatever its name is')).toBe(stranger);
    expect(await faultOf(await readFile(fixture('README.md')))).toBe(stranger);
    expect(await faultOf(files.wav().subarray(0, 44))).toMatch(/holds no audio: there is nothing/);
    expect(await faultOf(files.ogg().subarray(0, 60))).toMatch(/holds no audio/);
    const { streamed } = files;
    const cluster = streamed().indexOf(Buffer.from([0x1f, 0x43, 0xb6, 0x75]));
    expect(await faultOf(streamed().subarray(0, cluster))).toMatch(/holds no audio: there is/);
    expect(await faultOf(streamed().subarray(cluster))).toBe(
      refused('begins in the middle of a WebM recording: its first part is missing.'),
    );
    const index = refused(
      'is cut within its index (moov), without which nothing of it can be played.',
    );
    expect(await faultOf(cut(files.mp4()))).toBe(index);
    expect(await faultOf(cut(files.mp4(), 0.6))).toMatch(/is cut before its index \(moov\)/);
    const video = tone('-f lavfi -i color=red:s=16x16:d=4 -c:v libvpx -c:a libopus', 'video.webm');
    expect(await faultOf(video)).toBe(refused('holds video; send audio only.'));
    const squeezed = tone('-c:a adpcm_ms', 'adpcm.wav');
    expect(await faultOf(squeezed)).toMatch(/WAV format 2 with 8 bits; PCM, float, A-law and/);
  });

  it('survives any byte of a file being another', async () => {
    // Whatever it finds must be an answer of the parser's: none is stopped or unreadable.
    for (const name of ['streamed', 'ogg', 'fragments', 'wav'] as const) {
      const bytes = Buffer.from(files[name]());
      for (let at = 5; at < 400; at += 97) bytes[at] = ~bytes[at]! & 0xff;
      await measureAudio(await file(bytes)).catch(error => {
        expect(error.code).toBe('unprocessable');
      });
    }
    expect(warned).toEqual([]);
  });
});

describe('hostile files', () => {
  it('announce no more samples than they could hold', async () => {
    const sizeBytes = fragmentedMp4(0).length;
    expect(sizeBytes).toBeLessThan(700);
    const measured = await measure(fragmentedMp4(sizeBytes));
    expect(measured).toMatchObject({ container: 'mp4', truncated: true });
    expect(measured.duration_s).toBeLessThan(sizeBytes / 8_000);
    for (const count of [sizeBytes + 1, 0xff_ff_ff_ff]) {
      expect(await faultOf(fragmentedMp4(count))).toMatch(/announces more samples than it has byt/);
    }
  });

  it('whose parsing takes more memory than is allowed are refused, and others go on', async () => {
    const small = createMeasureAudio({ ...PARSERS, parserMemoryBytes: 32 * 1024 * 1024, log });
    await expect(small(await file(seekingWebm(1_000_000)))).rejects.toMatchObject({
      code: 'unprocessable',
      detail: 'audio_file takes too much memory to parse.',
    });
    expect(warned).toContain('recording.parser_stopped');
    expect((await measureAudio(fixture('tone.wav'))).measured.container).toBe('wav');
  });

  it('with boxes in boxes are refused', async () => {
    expect(await faultOf(nestedMp4(100_000))).toMatch(/^unprocessable audio_file/);
  });
});
