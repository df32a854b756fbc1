import type { RecordingMetadata } from '@holdfast/protocol';
import { expect, it } from 'vitest';
import { blobKey, blobMetadata, checkDeclaration } from './recording.ts';

const declared: RecordingMetadata = {
  audio_type: 'user_speech',
  format: 'audio/webm;codecs=opus',
  duration: 100,
  timestamp_start: '2026-11-22T10:00:00Z',
  timestamp_end: '2026-11-22T10:01:40Z',
};

it('refuses an end that is not after the beginning', () => {
  expect(() => checkDeclaration(declared)).not.toThrow();
  expect(() => checkDeclaration({ ...declared, timestamp_end: declared.timestamp_start })).toThrow(
    expect.objectContaining({ field: 'metadata.timestamp_end' }),
  );
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

it('makes metadata that a blob store takes of whatever was declared', () => {
  const said = {
    ...declared,
    'call-id': 'A 1',
    '2nd': ' padded ',
    話者: '田中',
    nested: { of: ['ü', 1] },
    share: '50%',
    none: null,
  };
  expect(blobMetadata(said)).toEqual({
    ...declared,
    duration: '100',
    call_id: 'A 1',
    _2nd: '%20padded%20',
    __: '%E7%94%B0%E4%B8%AD',
    nested: '{"of":["%C3%BC",1]}',
    share: '50%25',
    none: 'null',
  });
});

it('keeps what is known, and every other name, where names become the same on a blob', () => {
  const said = {
    'AUDIO-TYPE': 'mine',
    ...declared,
    'Sample Rate': 1,
    transcription_: 'stands',
    Transcription: 'kept apart',
    話者: '田中',
    言語: 'ja',
    _others: 'too',
  };
  const { _others, ...rest } = blobMetadata(said);
  expect(rest).toEqual({
    ...declared,
    duration: '100',
    transcription_: 'stands',
    __: '%E7%94%B0%E4%B8%AD',
  });
  expect(JSON.parse(decodeURIComponent(_others!))).toEqual({
    'AUDIO-TYPE': 'mine',
    'Sample Rate': 1,
    Transcription: 'kept apart',
    言語: 'ja',
    _others: 'too',
  });
});
