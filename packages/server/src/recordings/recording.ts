import type { AudioType, RecordingMetadata } from '@holdfast/protocol';
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

/** The containers that are accepted. Matroska is stored as the WebM that browsers call it. */
export const CONTAINERS = {
  webm: { contentType: 'audio/webm', extension: 'webm' },
  ogg: { contentType: 'audio/ogg', extension: 'ogg' },
  mp4: { contentType: 'audio/mp4', extension: 'mp4' },
  wav: { contentType: 'audio/wav', extension: 'wav' },
} as const;
export type Container = keyof typeof CONTAINERS;

/** Throws a 422 that names the field where what was declared contradicts itself. */
export function checkDeclaration(declared: RecordingMetadata): void {
  if (Date.parse(declared.timestamp_end) > Date.parse(declared.timestamp_start)) return;
  const detail = 'metadata.timestamp_end must be after timestamp_start.';
  throw new HoldfastError('unprocessable', detail, { field: 'metadata.timestamp_end' });
}

/**
 * What was declared, but for what is private, as a blob store keeps it: names of lower-case ASCII
 * letters, digits and underlines, and texts of printable ASCII, in which all else is
 * percent-encoded.
 */
export function blobMetadata(open: Readonly<Record<string, unknown>>): Record<string, string> {
  const named = Object.entries(open).map(([name, value]) => {
    const plain = name.toLowerCase().replace(/[^a-z0-9_]/g, '_');
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return [
      plain.replace(/^(?=[0-9]|$)/, '_'),
      text.replace(/[^ -$&-~]+|^ | $/g, encodeURIComponent),
    ];
  });
  return Object.fromEntries(named);
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
