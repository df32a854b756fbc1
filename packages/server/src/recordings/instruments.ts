import { HoldfastError } from '../kernel/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import type { RecordingRow } from './store.ts';

/** What is counted of uploads; `active` is read whenever the metrics are. */
export function createInstruments(telemetry: Telemetry, active: ReadonlyMap<string, string>) {
  const { meter, log } = telemetry;
  const saved = meter.createCounter('audio_files_saved_total');
  const duration = meter.createHistogram('audio_processing_duration_seconds');
  const bytes = meter.createCounter('holdfast_recording_bytes_total');
  const full = meter.createCounter('holdfast_storage_full_total');
  meter
    .createObservableGauge('holdfast_uploads_active')
    .addCallback(result => result.observe(active.size));
  return {
    /** Once for each recording that became complete. */
    noteSaved(row: RecordingRow, elapsedMs: number): void {
      saved.add(1, { audio_type: row.audio_type });
      bytes.add(row.size_bytes, { audio_type: row.audio_type });
      duration.record(elapsedMs / 1000, { audio_type: row.audio_type });
      log.info('recording.saved', { recording_id: row.id, size_bytes: row.size_bytes });
    },
    noteStorageFull(error: unknown): void {
      if (!(error instanceof HoldfastError) || error.code !== 'storage_full') return;
      full.add(1);
      log.alert('storage.full', { what: 'recordings' });
    },
  };
}
