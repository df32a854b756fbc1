import type { MeasuredAudio, RecordingMetadata } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { blobKey, checkDeclaration, declaredContainer } from './recording.ts';

const measured: MeasuredAudio = {
  container: 'webm',
  codec: 'opus',
  duration_s: 100,
  sample_rate: 48_000,
  channels: 1,
};
const declared: RecordingMetadata = {
  audio_type: 'user_speech',
  format: 'webm',
  duration: 100,
  timestamp_start: '2026-11-22T10:00:00Z',
  timestamp_end: '2026-11-22T10:01:40Z',
};

function field(change: Partial<RecordingMetadata>, of = measured): string | undefined {
  try {
    checkDeclaration({ ...declared, ...change }, of);
    return undefined;
  } catch (error) {
    return (error as { field?: string }).field;
  }
}

describe('checkDeclaration', () => {
  it('names the field that does not agree with the file', () => {
    expect(field({ format: 'flac' })).toBe('metadata.format');
    expect(field({ format: 'wav' })).toBe('metadata.format');
    expect(field({ duration: 94.9 })).toBe('metadata.duration');
    expect(field({ duration: 105.1 })).toBe('metadata.duration');
    expect(field({ timestamp_end: declared.timestamp_start })).toBe('metadata.timestamp_end');
  });

  it('allows 5 %, or two seconds where that is more', () => {
    expect(field({ duration: 95 })).toBeUndefined();
    expect(field({ duration: 105 })).toBeUndefined();
    expect(field({ duration: 6 }, { ...measured, duration_s: 4 })).toBeUndefined();
    expect(field({ duration: 6.1 }, { ...measured, duration_s: 4 })).toBe('metadata.duration');
  });

  it('accepts the names that recorders give their format', () => {
    expect(declaredContainer('audio/webm;codecs=opus')).toBe('webm');
    expect(declaredContainer('M4A')).toBe('mp4');
    expect(declaredContainer('audio/ogg; codecs=opus')).toBe('ogg');
    expect(declaredContainer('constructor')).toBeUndefined();
  });
});

it('lays blobs out by type, day, session and id', () => {
  const key = blobKey({
    id: 'rec_1',
    sessionId: 'ses_1',
    audioType: 'ai_response',
    startedAt: new Date('2026-01-02T23:59:00Z'),
    container: 'mp4',
  });
  expect(key).toBe('ai_response/2026/01/02/ses_1/rec_1.mp4');
});
