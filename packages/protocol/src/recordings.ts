import { z } from 'zod';
import { timestamp } from './common.ts';

export const AUDIO_TYPES = ['user_speech', 'ai_response', 'full_conversation'] as const;
export const audioType = z.enum(AUDIO_TYPES);
export type AudioType = z.infer<typeof audioType>;

/** What the client declares in the `metadata` part of `POST /audio/upload`. */
export const recordingMetadata = z.object({
  audio_type: audioType,
  format: z.string().min(1).max(40),
  duration: z
    .number()
    .positive()
    .max(24 * 3600)
    .describe('Seconds.'),
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
});
export type RecordingMetadata = z.infer<typeof recordingMetadata>;

/** What the container really holds. */
export const measuredAudio = z.object({
  container: z.string(),
  codec: z.string(),
  duration_s: z.number(),
  sample_rate: z.number().int(),
  channels: z.number().int(),
});
export type MeasuredAudio = z.infer<typeof measuredAudio>;

export const uploadAnswer = z.object({
  audio_id: z.string(),
  session_id: z.string(),
  blob_url: z.string(),
  sas_url: z.string().describe('Readable without further credentials for one hour.'),
  size_bytes: z.number().int(),
  metadata: recordingMetadata.partial().extend({ measured: measuredAudio }),
  uploaded_at: timestamp,
});

export const recording = z.object({
  audio_id: z.string(),
  session_id: z.string(),
  audio_type: audioType,
  size_bytes: z.number().int(),
  content_type: z.string(),
  metadata: recordingMetadata.partial(),
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
