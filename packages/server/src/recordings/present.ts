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
  };
}
