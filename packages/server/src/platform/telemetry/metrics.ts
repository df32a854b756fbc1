/**
 * Every metric the server exposes: the reference page is generated from this list, the exposition
 * is held to it (labels that are not named here are dropped, buckets come from here), and a test
 * fails on an instrument that is missing. No label may carry a user, a session, or anything else
 * that grows with use: `endpoint` is a route pattern, `model` a catalogue id.
 */
export interface MetricDeclaration {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly description: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram, in the metric's unit. */
  readonly buckets?: readonly number[];
}

/** More label combinations than this are counted together under `otel_metric_overflow`. */
export const SERIES_MAX_PER_METRIC = 1000;

const REQUEST_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const PROCESSING_S = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const SESSION_S = [1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600];
const PING_MS = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 3000];
const PER_OWNER = [1, 2, 3, 5, 10, 20, 50, 100];

function counter(description: string, labels: readonly string[] = []): MetricDeclaration {
  return { type: 'counter', description, labels };
}

function gauge(description: string, labels: readonly string[] = []): MetricDeclaration {
  return { type: 'gauge', description, labels };
}

function histogram(
  description: string,
  buckets: readonly number[],
  labels: readonly string[] = [],
): MetricDeclaration {
  return { type: 'histogram', description, labels, buckets };
}

export const METRICS: Readonly<Record<string, MetricDeclaration>> = {
  sessions_created_total: counter('Sessions created.', ['model']),
  active_sessions_count: gauge('Sessions that are active in this process.'),
  websocket_connections_count: gauge('Open WebSocket connections of clients.'),
  holdfast_kept_output_bytes: gauge('Room taken by output that clients have not acknowledged.'),
  holdfast_client_absences_total: counter(
    'Times that a WebSocket client lost its line: `resumed`, or `over` when it stayed away.',
    ['end'],
  ),
  holdfast_relay_bytes_total: counter(
    'Bytes that relays carried; direction `in` is from clients, `out` from upstreams.',
    ['direction'],
  ),
  holdfast_relay_frames_total: counter('Frames that relays carried.', ['direction']),
  holdfast_relay_pauses_total: counter(
    'How often a source was paused because its reader was slow.',
    ['direction'],
  ),
  holdfast_relay_holds_total: counter(
    'How often a client was not read for a while because it had sent too much.',
    ['direction'],
  ),
  holdfast_relay_untapped_total: counter(
    'Messages that no log and no usage has: binary ones, and those too long to be read.',
    ['direction'],
  ),
  holdfast_upstream_events_unread_total: counter(
    'Events of models that could not be read, so that no log and no usage has them.',
  ),
  api_requests_total: counter('HTTP requests answered.', ['method', 'endpoint', 'status_code']),
  request_duration_seconds: histogram('Time to answer an HTTP request.', REQUEST_S, [
    'method',
    'endpoint',
  ]),
  audio_files_saved_total: counter('Recordings stored.', ['audio_type']),
  audio_processing_duration_seconds: histogram(
    'Time from the start of an upload until the recording is complete.',
    PROCESSING_S,
    ['audio_type'],
  ),
  holdfast_upgraded_sockets: gauge('Sockets that were upgraded to WebSocket and are open.'),
  holdfast_audit_dropped_total: counter('Denials not written to the audit log: too many at once.'),
  holdfast_session_duration_seconds: histogram('Length of finished sessions.', SESSION_S, [
    'reason',
  ]),
  holdfast_sessions_per_owner: histogram(
    'Active sessions of an owner, seen whenever one of theirs starts.',
    PER_OWNER,
  ),

  holdfast_upstream_errors_total: counter('Upstreams that could not be used or were lost.', [
    'reason',
  ]),
  holdfast_upstream_retries_total: counter(
    'How often an upstream was asked again, by what it had answered.',
    ['reason'],
  ),
  holdfast_upstream_troubles_total: counter(
    'What upstreams reported as gone wrong within sessions; event is its name in the log.',
    ['event'],
  ),
  holdfast_recording_bytes_total: counter('Bytes of recordings stored.', ['audio_type']),
  holdfast_uploads_active: gauge('Uploads that are being received.'),
  holdfast_storage_full_total: counter('Writes refused because storage is full.'),

  holdfast_streams_open: gauge('Open event streams.'),
  holdfast_queue_depth: gauge('Jobs of a queue; state is `queued`, `active` or `dead`.', [
    'queue',
    'state',
  ]),

  holdfast_log_events_total: counter('Events appended to logs.'),
  holdfast_log_followers: gauge('Open readers of logs.'),
  holdfast_journal_dropped_total: counter('Journal events that did not reach the log.', ['reason']),
  holdfast_journal_lag_seconds: gauge(
    'Age of the oldest journal event that is not yet in its log.',
  ),
  holdfast_heartbeat_age_seconds: gauge('Time since the last heartbeat that the database took.'),
  holdfast_doorbell_dropped_total: counter(
    'Rings not sent: too many waited, or the doorbell was away.',
  ),
  holdfast_rate_limiter_fallback: gauge(
    '1 while rate limits are counted per process: Redis is away.',
  ),
  holdfast_database_connections: gauge(
    'Connections of the pool to the database; state is `in_use` or `idle`.',
    ['state'],
  ),
  holdfast_database_connections_max: gauge('Connections that the pool may have.'),
  holdfast_database_waiting: gauge('Requests that wait for a connection to the database.'),
  redis_connection_status: gauge('1 while Redis is connected, else 0.'),
  redis_connection_latency_ms: histogram('Time in which Redis answered, every 5 s.', PING_MS),
  holdfast_redis_memory_bytes: gauge('Memory that Redis uses, as it says itself.'),
  holdfast_redis_memory_max_bytes: gauge(
    "Memory that Redis may use: its `maxmemory`, else its machine's.",
  ),

  process_cpu_seconds_total: counter('CPU time of the process, user and system.'),
  holdfast_model_calls_total: counter(
    'Calls through the model gateway, by what was answered; responses and transcriptions of voice.',
    ['model', 'status_code'],
  ),
  holdfast_model_tokens_total: counter('Tokens of these calls.', ['model', 'kind']),
  holdfast_model_cost_usd_total: counter('What these calls cost.', ['model']),
  holdfast_model_unpriced_total: counter(
    'Responses and transcriptions of voice whose cost is not known.',
    ['model'],
  ),
  holdfast_sandbox_outbound_requests_total: counter(
    'What sandboxes asked their outbound proxy for; outcome is `allowed` or why not.',
    ['outcome'],
  ),
  holdfast_sandbox_outbound_bytes_total: counter(
    'Bytes that outbound proxies carried; direction is `sent` or `received` by sandboxes.',
    ['direction'],
  ),
  holdfast_runs_limited_total: counter('Runs that were ended at one of their bounds.', ['reason']),
  holdfast_model_unsettled_total: counter(
    'Calls and turns of unknown usage, or that were not written: they count as reserved in full.',
  ),

  process_resident_memory_bytes: gauge('Resident memory of the process.'),
  process_start_time_seconds: gauge('Start of the process, seconds since the Unix epoch.'),
  nodejs_heap_used_bytes: gauge('JavaScript heap in use.'),
  nodejs_heap_total_bytes: gauge('JavaScript heap reserved.'),
  nodejs_external_memory_bytes: gauge('Memory outside of the heap that objects hold.'),
  nodejs_eventloop_lag_p99_seconds: gauge('Lag of the event loop, 99th percentile of 10 s.'),
  nodejs_eventloop_lag_max_seconds: gauge('Lag of the event loop, maximum of 10 s.'),
  nodejs_eventloop_utilization_ratio: gauge('Share of time the event loop was busy, of 10 s.'),
  holdfast_info: gauge('Always 1; names what is running.', ['revision', 'replica']),
  holdfast_disk_free_bytes: gauge('Free space where the data folder lies.'),
  holdfast_disk_size_bytes: gauge('Size of the volume where the data folder lies.'),
  holdfast_log_lines_dropped_total: counter('Log lines lost because standard output was stuck.'),
  holdfast_log_alerts_total: counter('Log lines at alert level: an operator must act.', ['event']),
};
