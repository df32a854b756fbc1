import { z } from 'zod';
import { timestamp } from './common.ts';

export const AUDIO_TYPES = ['user_speech', 'ai_response', 'full_conversation'] as const;
export const audioType = z.enum(AUDIO_TYPES);
export type AudioType = z.infer<typeof audioType>;

/** Bounds of what a client may add to the metadata under names of its own. */
export const METADATA_EXTRA_MAX_KEYS = 32;
export const METADATA_EXTRA_NAME_MAX_CHARS = 64;
/** As it stands on the blob, where letters beyond ASCII take three bytes for each of theirs. */
export const METADATA_EXTRA_MAX_BYTES = 6 * 1024;

const KNOWN = {
  audio_type: audioType,
  format: z
    .string()
    .max(40)
    .regex(/^[ -~]+$/, 'printable ASCII, such as audio/webm;codecs=opus')
    .describe('What the recorder called it; the file itself decides.'),
  duration: z
    .number()
    .positive()
    .max(24 * 3600)
    .describe('Seconds, by the clock of the recorder; pauses may count.'),
  sample_rate: z.number().int().min(1000).max(384_000).optional(),
  channels: z.number().int().min(1).max(8).optional(),
  timestamp_start: timestamp,
  timestamp_end: timestamp,
  language: z
    .string()
    .max(35)
    .regex(/^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/, 'a language tag such as ja-JP')
    .optional()
    .describe('BCP 47, e.g. `ja-JP`.'),
  confidence_score: z.number().min(0).max(1).optional(),
  transcription: z.string().max(32_000).optional().describe('Private.'),
};

/** PostgreSQL's JSON holds neither a null character nor half of a pair. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i;

/**
 * What the client declares in the `metadata` part of `POST /audio/upload`. Fields that are not
 * known are kept as they are.
 */
export const recordingMetadata = z.looseObject(KNOWN).superRefine((metadata, context) => {
  const extra = Object.entries(metadata).filter(([name]) => !Object.hasOwn(KNOWN, name));
  const refuse = (message: string, path: string[] = []) =>
    context.addIssue({ code: 'custom', message, path });
  if (extra.length > METADATA_EXTRA_MAX_KEYS) {
    refuse(`may have at most ${METADATA_EXTRA_MAX_KEYS} fields of your own.`);
  }
  let sizeBytes = 0;
  for (const [name, value] of extra) {
    const text = JSON.stringify([name, value]);
    if (name.length > METADATA_EXTRA_NAME_MAX_CHARS || UNSTORABLE.test(text)) {
      const most = METADATA_EXTRA_NAME_MAX_CHARS;
      refuse(`names of at most ${most} characters and well-formed texts are kept.`, [
        name.slice(0, most).toWellFormed(),
      ]);
      return;
    }
    sizeBytes += encodeURI(text).length;
  }
  if (sizeBytes > METADATA_EXTRA_MAX_BYTES) {
    refuse(`fields of your own may have at most ${METADATA_EXTRA_MAX_BYTES} bytes together.`);
  }
});
export type RecordingMetadata = z.infer<typeof recordingMetadata>;

const digests = {
  sha256: z.string().describe('Of the stored bytes, in hexadecimal.'),
  sent_sha256: z
    .string()
    .describe(
      'Of the bytes as they were sent: another one where a duration that the recorder had left ' +
        'open was written.',
    ),
};

/** What the file really holds, whatever its label and its header say. */
export const measuredAudio = z.object({
  container: z.string(),
  codec: z.string(),
  duration_s: z.number().describe('Of the audio that is there.'),
  sample_rate: z.number().int(),
  channels: z.number().int(),
  header_duration_s: z
    .number()
    .nullable()
    .describe('What the header of the file says; null where it says nothing.'),
  truncated: z
    .boolean()
    .describe('The file ends before its own structure, or its header, says that it should.'),
});
export type MeasuredAudio = z.infer<typeof measuredAudio>;

export const uploadAnswer = z.object({
  audio_id: z.string(),
  session_id: z.string(),
  blob_url: z.string(),
  sas_url: z.string().describe('Readable without further credentials for one hour.'),
  size_bytes: z.number().int(),
  ...digests,
  metadata: z.looseObject(KNOWN).partial().extend({ measured: measuredAudio }),
  uploaded_at: timestamp,
});

export const recording = z.object({
  audio_id: z.string(),
  session_id: z.string(),
  audio_type: audioType,
  size_bytes: z.number().int(),
  content_type: z.string(),
  ...digests,
  metadata: z.looseObject(KNOWN).partial(),
  measured: measuredAudio,
  created_at: timestamp,
  last_accessed: timestamp.nullable(),
});
export type Recording = z.infer<typeof recording>;

/** `GET /audio/sessions/{session_id}` in the older API's shape. */
export const recordingList = z.object({
  session_id: z.string(),
  summary: z.object({
    total_files: z.number().int(),
    total_duration: z.number().describe('Seconds, measured.'),
    total_size_bytes: z.number().int(),
    by_type: z.record(z.string(), z.number().int()),
  }),
  audio_files: z.array(recording),
  pagination: z.object({
    limit: z.number().int(),
    offset: z.number().int(),
    has_more: z.boolean(),
  }),
});
export type RecordingList = z.infer<typeof recordingList>;
