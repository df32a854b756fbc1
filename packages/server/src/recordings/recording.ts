import { type AudioType, type RecordingMetadata, recordingMetadata } from '@holdfast/protocol';
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
 * percent-encoded. A name of the client's own that would be a known name so, or another of its own
 * that came first, stands in `OTHERS` as it was.
 */
export function blobMetadata(open: Readonly<Record<string, unknown>>): Record<string, string> {
  const said = new Map<string, string>();
  const others: [string, unknown][] = [];
  for (const [name, value] of Object.entries(open)) {
    const plain = plainName(name);
    const isTaken = isKnown(plain) || said.has(plain) || plain === OTHERS;
    if (isTaken && !isKnown(name)) others.push([name, value]);
    else said.set(plain, plainText(value));
  }
  if (others.length > 0) said.set(OTHERS, plainText(Object.fromEntries(others)));
  return Object.fromEntries(said);
}

/** Where those fields stand, as one JSON object, whose names have no room elsewhere. */
const OTHERS = '_others';

const isKnown = (name: string) => Object.hasOwn(recordingMetadata.shape, name);

function plainName(name: string): string {
  const plain = name.toLowerCase().replace(/[^a-z0-9_]/g, '_');
  return plain.replace(/^(?=[0-9]|$)/, '_');
}

function plainText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replace(/[^ -$&-~]+|^ | $/g, encodeURIComponent);
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
