import type { Session, SessionUsage } from '@holdfast/protocol';
import type { SessionTotals } from './meter.ts';
import type { SessionView } from './queries.ts';
import type { SessionRow } from './tables.ts';

const iso = (date: Date | null) => date?.toISOString() ?? null;

/** A session as the API shows it. */
export function presentSession(
  row: SessionView,
  recordings: { readonly count: number; readonly durationS: number } | undefined,
): Session {
  return {
    id: row.id,
    project_id: row.project_id,
    created_by: row.created_by,
    label: row.label,
    state: row.state,
    type: row.type,
    transport: row.transport,
    protocol: row.protocol,
    model: row.model,
    voice: row.voice,
    upstream_session_id: row.upstream_session_id,
    replica: row.replica,
    revision: row.revision,
    created_at: row.created_at.toISOString(),
    connected_at: iso(row.connected_at),
    ended_at: iso(row.ended_at),
    expires_at: iso(row.expires_at),
    upstream_expires_at: iso(row.upstream_expires_at),
    last_activity_at: iso(row.last_activity_at),
    duration_s: row.duration_s,
    close_reason: row.close_reason,
    usage: usageOf(row),
    cost: {
      usd: row.unpriced.length > 0 ? null : row.cost_usd,
      unpriced: row.unpriced,
      unreported: row.unreported,
    },
    recordings: { count: recordings?.count ?? 0, duration_s: recordings?.durationS ?? 0 },
    last_seq: row.last_seq,
  };
}

/** What the session has used and cost so far, by its row. */
export function totalsOf(row: SessionRow): SessionTotals {
  const { cost_usd: costUsd, unpriced, unreported } = row;
  return { usage: usageOf(row), costUsd, unpriced, unreported };
}

function usageOf(row: SessionRow): SessionUsage {
  return {
    responses: row.responses,
    input_tokens: row.input_tokens,
    input_text_tokens: row.input_text_tokens,
    input_audio_tokens: row.input_audio_tokens,
    input_image_tokens: row.input_image_tokens,
    cached_tokens: row.cached_tokens,
    cached_text_tokens: row.cached_text_tokens,
    cached_audio_tokens: row.cached_audio_tokens,
    cached_image_tokens: row.cached_image_tokens,
    output_tokens: row.output_tokens,
    output_text_tokens: row.output_text_tokens,
    output_audio_tokens: row.output_audio_tokens,
    total_tokens: row.total_tokens,
    transcription_input_tokens: row.transcription_input_tokens,
    transcription_output_tokens: row.transcription_output_tokens,
    transcription_seconds: row.transcription_seconds,
  };
}
