import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMeasureAudio } from './measure.ts';
import { PARSERS } from './testing.ts';
import { fragmentedMp4, nestedMp4 } from './testing-media.ts';

const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name);
const warned: string[] = [];
const log = { warn: (event: string) => void warned.push(event) };
const measureAudio = createMeasureAudio({ ...PARSERS, log });
let dir: string;

beforeEach(async () => {
  warned.length = 0;
  dir = await mkdtemp(join(tmpdir(), 'holdfast-measure-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function file(bytes: Buffer | string): Promise<string> {
  const path = join(dir, 'upload');
  await writeFile(path, bytes);
  return path;
}

async function cut(name: string, keepShare: number): Promise<string> {
  const bytes = await readFile(fixture(name));
  return file(bytes.subarray(0, Math.floor(bytes.length * keepShare)));
}

describe('measureAudio', () => {
  it('refuses what is not audio', async () => {
    const path = await file('this is not audio, whatever its name is');
    await expect(measureAudio(path)).rejects.toMatchObject({
      code: 'unprocessable',
      field: 'audio_file',
    });
    await expect(measureAudio(fixture('README.md'))).rejects.toMatchObject({ field: 'audio_file' });
  });

  it('refuses a file without its beginning or the end that its header announces', async () => {
    await expect(measureAudio(await cut('tone.mp4', 0.01))).rejects.toMatchObject({
      field: 'audio_file',
    });
    await expect(measureAudio(await cut('tone.wav', 0.5))).rejects.toThrow(/truncated/);
  });

  it('measures what is left of a recording without a length in its header', async () => {
    const { duration_s } = await measureAudio(await cut('tone.webm', 0.5));
    expect(duration_s).toBeGreaterThan(0.5);
    expect(duration_s).toBeLessThan(2.5);
  });

  it.each([
    ['tone.webm', 'webm', 'opus', 48_000],
    ['tone.ogg', 'ogg', 'opus', 48_000],
    ['tone.mp4', 'mp4', 'aac', 24_000],
    ['tone.wav', 'wav', 'pcm-s16', 8_000],
  ])('measures %s', async (name, container, codec, sample_rate) => {
    const measured = await measureAudio(fixture(name));
    expect(measured).toMatchObject({ container, codec, sample_rate, channels: 1 });
    expect(measured.duration_s).toBeGreaterThan(2.9);
    expect(measured.duration_s).toBeLessThan(3.1);
  });

  it('takes as many samples as the file could hold, and no more', async () => {
    const sizeBytes = fragmentedMp4(0).length;
    expect(sizeBytes).toBeLessThan(700);
    const measured = await measureAudio(await file(fragmentedMp4(sizeBytes)));
    expect(measured.container).toBe('mp4');
    expect(measured.duration_s).toBeCloseTo(sizeBytes / 8_000, 2);
    for (const count of [sizeBytes + 1, 0xff_ff_ff_ff]) {
      await expect(measureAudio(await file(fragmentedMp4(count)))).rejects.toThrow(
        'audio_file announces more samples than it has bytes.',
      );
    }
  });

  it('refuses a file whose parsing takes more memory than is allowed, and goes on', async () => {
    // As many bytes as samples, so that the count alone is no fault.
    const count = 3_000_000;
    const bytes = Buffer.concat([fragmentedMp4(count), Buffer.alloc(count)]);
    await expect(measureAudio(await file(bytes))).rejects.toMatchObject({
      code: 'unprocessable',
      field: 'audio_file',
      detail: 'audio_file takes too much memory to parse.',
    });
    expect(warned).toContain('recording.parser_stopped');
    expect(await measureAudio(fixture('tone.wav'))).toMatchObject({ container: 'wav' });
  });

  it('refuses boxes in boxes', async () => {
    const path = await file(nestedMp4(100_000));
    await expect(measureAudio(path)).rejects.toMatchObject({ field: 'audio_file' });
  });
});
