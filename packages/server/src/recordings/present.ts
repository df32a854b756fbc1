import type { MeasuredAudio, Recording, RecordingMetadata } from '@holdfast/protocol';
import type { RecordingRow } from './store.ts';

/** A row as clients see it. */
export function presentRecording(
  row: RecordingRow,
  privateMetadata: Partial<RecordingMetadata>,
): Recording {
  return {
    audio_id: row.id,
    session_id: row.session_id,
    audio_type: row.audio_type,
    size_bytes: row.size_bytes,
    content_type: row.content_type,
    ...presentDigests(row),
    metadata: { ...(row.metadata as Partial<RecordingMetadata>), ...privateMetadata },
    measured: presentMeasured(row),
    created_at: row.created_at.toISOString(),
    last_accessed: row.last_accessed?.toISOString() ?? null,
  };
}

export function presentMeasured(row: RecordingRow): MeasuredAudio {
  return {
    container: row.container,
    codec: row.codec,
    duration_s: row.duration_s,
    sample_rate: row.sample_rate,
    channels: row.channels,
    header_duration_s: row.header_duration_s,
    truncated: row.truncated,
  };
}

/** Of the stored bytes, and of the sent ones. */
export function presentDigests(row: RecordingRow) {
  return {
    sha256: row.sha256,
    sent_sha256: row.sent_sha256 ?? row.sha256,
  };
}
