import type { Counter, Histogram, Meter } from '@opentelemetry/api';
import type { RelayCounters } from './relay/index.ts';

/** The feature's metrics. Labels are bounded: catalogue ids and words of our own. */
export interface RealtimeMetrics {
  /** Counts a new session; a model that is not in the catalogue is `other`. */
  created(model: string): void;
  readonly durationS: Histogram;
  readonly perOwner: Histogram;
  readonly absences: Counter;
  readonly upstreamErrors: Counter;
  readonly unread: Counter;
  readonly upstreamRetries: Counter;
  readonly upstreamTroubles: Counter;
}

export function createMetrics(meter: Meter, models: readonly string[]): RealtimeMetrics {
  const created = meter.createCounter('sessions_created_total', {
    description: 'Sessions created.',
  });
  return {
    created: model => created.add(1, { model: models.includes(model) ? model : 'other' }),
    durationS: meter.createHistogram('holdfast_session_duration_seconds', {
      description: 'Length of finished sessions.',
      unit: 's',
    }),
    perOwner: meter.createHistogram('holdfast_sessions_per_owner', {
      description: 'Active sessions of an owner, seen whenever one of theirs starts.',
    }),
    absences: meter.createCounter('holdfast_client_absences_total', {
      description: 'Times that a client lost its line, by whether it came back.',
    }),
    upstreamErrors: meter.createCounter('holdfast_upstream_errors_total', {
      description: 'Upstreams that could not be used or were lost.',
    }),
    unread: meter.createCounter('holdfast_upstream_events_unread_total'),
    upstreamRetries: meter.createCounter('holdfast_upstream_retries_total', {
      description: 'How often an upstream was asked again, by what it had answered.',
    }),
    upstreamTroubles: meter.createCounter('holdfast_upstream_troubles_total', {
      description: 'What upstreams reported as gone wrong within sessions.',
    }),
  };
}

/** Gauges of what this process holds now. */
export function addRegistryGauges(
  meter: Meter,
  registry: Readonly<Record<'sessions' | 'sockets' | 'keptBytes', () => number>>,
): void {
  meter
    .createObservableGauge('active_sessions_count', {
      description: 'Sessions that are active in this process.',
    })
    .addCallback(result => result.observe(registry.sessions()));
  meter
    .createObservableGauge('websocket_connections_count', {
      description: 'Open WebSocket connections of clients.',
    })
    .addCallback(result => result.observe(registry.sockets()));
  meter
    .createObservableGauge('holdfast_kept_output_bytes', {
      description: 'Room taken by output that clients have not acknowledged.',
    })
    .addCallback(result => result.observe(registry.keptBytes()));
}

/**
 * What all relays of the process have carried, for the metrics: the running ones' plain
 * counters are summed when the metrics are read, so that carrying a frame costs nothing more.
 */
export class Traffic {
  readonly #running = new Set<RelayCounters>();
  readonly #past = { in: zero(), out: zero() };

  add(counters: RelayCounters): void {
    this.#running.add(counters);
  }

  /** A relay has ended; its sums stay. */
  settle(counters: RelayCounters): void {
    if (!this.#running.delete(counters)) return;
    addTo(this.#past.in, counters.clientToUpstream);
    addTo(this.#past.out, counters.upstreamToClient);
  }

  /** `in`: from clients; `out`: from upstreams. */
  sums(): { in: Sums; out: Sums } {
    const sums = { in: { ...this.#past.in }, out: { ...this.#past.out } };
    for (const counters of this.#running) {
      addTo(sums.in, counters.clientToUpstream);
      addTo(sums.out, counters.upstreamToClient);
    }
    return sums;
  }

  reportTo(meter: Meter): void {
    const bytes = meter.createObservableCounter('holdfast_relay_bytes_total');
    const frames = meter.createObservableCounter('holdfast_relay_frames_total');
    const pauses = meter.createObservableCounter('holdfast_relay_pauses_total');
    const holds = meter.createObservableCounter('holdfast_relay_holds_total');
    const untapped = meter.createObservableCounter('holdfast_relay_untapped_total');
    meter.addBatchObservableCallback(
      result => {
        for (const [direction, sums] of Object.entries(this.sums())) {
          result.observe(bytes, sums.bytes, { direction });
          result.observe(frames, sums.frames, { direction });
          result.observe(pauses, sums.pauses, { direction });
          result.observe(holds, sums.holds, { direction });
          result.observe(untapped, sums.untappedMessages, { direction });
        }
      },
      [bytes, frames, pauses, holds, untapped],
    );
  }
}

interface Sums {
  bytes: number;
  frames: number;
  pauses: number;
  holds: number;
  untappedMessages: number;
}

function zero(): Sums {
  return { bytes: 0, frames: 0, pauses: 0, holds: 0, untappedMessages: 0 };
}

function addTo(sums: Sums, more: Sums): void {
  sums.bytes += more.bytes;
  sums.frames += more.frames;
  sums.pauses += more.pauses;
  sums.holds += more.holds;
  sums.untappedMessages += more.untappedMessages;
}
