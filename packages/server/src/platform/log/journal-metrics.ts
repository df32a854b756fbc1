import type { Counter, Meter } from '@opentelemetry/api';

/** Why events did not reach the log. */
export type DropReason = 'overflow' | 'invalid' | 'lost' | 'closed';

export interface JournalMetrics {
  readonly dropped: Counter<{ reason: DropReason }>;
  /** The ages of the oldest waiting events, in seconds, by open journal. */
  readonly lags: Set<() => number>;
}

const byMeter = new WeakMap<Meter, JournalMetrics>();

/** One set of instruments per meter, shared by all journals of the process. */
export function journalMetrics(meter: Meter): JournalMetrics {
  const known = byMeter.get(meter);
  if (known !== undefined) return known;
  const lags = new Set<() => number>();
  const metrics: JournalMetrics = {
    dropped: meter.createCounter('holdfast_journal_dropped_total'),
    lags,
  };
  meter.createObservableGauge('holdfast_journal_lag_seconds').addCallback(result => {
    let oldest = 0;
    for (const lag of lags) oldest = Math.max(oldest, lag());
    result.observe(oldest);
  });
  byMeter.set(meter, metrics);
  return metrics;
}
