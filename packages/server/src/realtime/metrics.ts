import type { Counter, Histogram, Meter } from '@opentelemetry/api';

/** The feature's metrics. Labels are bounded: catalogue ids and words of our own. */
export interface RealtimeMetrics {
  readonly created: Counter;
  readonly durationS: Histogram;
  readonly perOwner: Histogram;
  readonly upstreamErrors: Counter;
}

export function createMetrics(meter: Meter): RealtimeMetrics {
  return {
    created: meter.createCounter('sessions_created_total', { description: 'Sessions created.' }),
    durationS: meter.createHistogram('holdfast_session_duration_seconds', {
      description: 'Length of finished sessions.',
      unit: 's',
    }),
    perOwner: meter.createHistogram('holdfast_sessions_per_owner', {
      description: 'Active sessions of an owner, seen whenever one of theirs starts.',
    }),
    upstreamErrors: meter.createCounter('holdfast_upstream_errors_total', {
      description: 'Upstreams that could not be used or were lost.',
    }),
  };
}

/** Gauges of what this process holds now. */
export function observeLive(
  meter: Meter,
  live: { readonly sessions: () => number; readonly sockets: () => number },
): void {
  meter
    .createObservableGauge('active_sessions_count', {
      description: 'Sessions that are active in this process.',
    })
    .addCallback(result => result.observe(live.sessions()));
  meter
    .createObservableGauge('websocket_connections_count', {
      description: 'Open WebSocket connections of clients.',
    })
    .addCallback(result => result.observe(live.sockets()));
}
