import type { AudioType, MeasuredAudio, RecordingMetadata } from '@holdfast/protocol';
import { HoldfastError } from '../kernel/index.ts';

/**
 * A recording's life:
 *
 *   (none) ─spooled, measured─▶ pending ─blob whole─▶ complete ─▶ deleting ─blob gone─▶ (none)
 *                                │ │ ▲                              ▲
 *                    write failed┘ │ └─sent or tried again          │
 *                                  └─────── given up ───────────────┘
 *
 * Only `complete` is visible. A recording refused before `pending` leaves neither row nor blob;
 * from then on the row outlives the blob, so that the sweep can clean up after any crash.
 */
export type RecordingState = 'pending' | 'complete' | 'deleting';

/** The containers that are accepted, by the word clients use in `metadata.format`. */
export const CONTAINERS = {
  webm: { contentType: 'audio/webm', extension: 'webm' },
  ogg: { contentType: 'audio/ogg', extension: 'ogg' },
  mp4: { contentType: 'audio/mp4', extension: 'mp4' },
  wav: { contentType: 'audio/wav', extension: 'wav' },
} as const;
export type Container = keyof typeof CONTAINERS;

const FORMAT_ALIASES: ReadonlyMap<string, Container> = new Map([
  ['webm', 'webm'],
  ['ogg', 'ogg'],
  ['oga', 'ogg'],
  ['opus', 'ogg'],
  ['mp4', 'mp4'],
  ['m4a', 'mp4'],
  ['x-m4a', 'mp4'],
  ['wav', 'wav'],
  ['wave', 'wav'],
  ['x-wav', 'wav'],
]);

/** A declared duration may be off by this much, or by 5 % of the measured one if that is more. */
const DURATION_TOLERANCE_S = 2;
const DURATION_TOLERANCE_SHARE = 0.05;

/** `webm`, `audio/webm` and `audio/webm;codecs=opus` all name the same container. */
export function declaredContainer(format: string): Container | undefined {
  const bare = format
    .toLowerCase()
    .split(';')[0]!
    .trim()
    .replace(/^(audio|video)\//, '');
  return FORMAT_ALIASES.get(bare);
}

/** Compares what was declared with what was measured; throws a 422 that names the field. */
export function checkDeclaration(declared: RecordingMetadata, measured: MeasuredAudio): void {
  const container = declaredContainer(declared.format);
  if (container === undefined) {
    throw new HoldfastError('unprocessable', 'metadata.format names no accepted container.', {
      field: 'metadata.format',
      allowed: Object.keys(CONTAINERS),
    });
  }
  if (container !== measured.container) {
    throw new HoldfastError(
      'unprocessable',
      `metadata.format is ${container}, but the file is ${measured.container}.`,
      { field: 'metadata.format', allowed: [measured.container] },
    );
  }
  const tolerance = Math.max(DURATION_TOLERANCE_S, measured.duration_s * DURATION_TOLERANCE_SHARE);
  if (Math.abs(declared.duration - measured.duration_s) > tolerance) {
    throw new HoldfastError(
      'unprocessable',
      `metadata.duration is ${declared.duration} s, but the audio lasts ` +
        `${measured.duration_s.toFixed(2)} s.`,
      { field: 'metadata.duration' },
    );
  }
  if (Date.parse(declared.timestamp_end) <= Date.parse(declared.timestamp_start)) {
    throw new HoldfastError(
      'unprocessable',
      'metadata.timestamp_end must be after timestamp_start.',
      {
        field: 'metadata.timestamp_end',
      },
    );
  }
}

/** The one blob layout: `{audio_type}/{yyyy}/{mm}/{dd}/{session_id}/{audio_id}.{ext}`, UTC. */
export function blobKey(recording: {
  id: string;
  sessionId: string;
  audioType: AudioType;
  startedAt: Date;
  container: Container;
}): string {
  const [year, month, day] = recording.startedAt.toISOString().slice(0, 10).split('-');
  const { extension } = CONTAINERS[recording.container];
  const { audioType, sessionId, id } = recording;
  return `${audioType}/${year}/${month}/${day}/${sessionId}/${id}.${extension}`;
}
