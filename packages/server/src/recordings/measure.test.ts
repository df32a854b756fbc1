import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { measureAudio } from './measure.ts';

const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name);
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-measure-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function cut(name: string, keepShare: number): Promise<string> {
  const bytes = await readFile(fixture(name));
  const path = join(dir, name);
  await writeFile(path, bytes.subarray(0, Math.floor(bytes.length * keepShare)));
  return path;
}

describe('measureAudio', () => {
  it('refuses what is not audio', async () => {
    const path = join(dir, 'text.webm');
    await writeFile(path, 'this is not audio, whatever its name says');
    await expect(measureAudio(path)).rejects.toMatchObject({
      code: 'unprocessable',
      field: 'audio_file',
    });
    await expect(measureAudio(fixture('README.md'))).rejects.toMatchObject({ field: 'audio_file' });
  });

  it('refuses a file without its beginning or an end that the header promises', async () => {
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
});
