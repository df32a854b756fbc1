import type { Meter } from '@opentelemetry/api';
import type { RelayCounters } from './relay/index.ts';

/**
 * What all relays of the process have carried, for the metrics: the live ones' plain counters are
 * summed when somebody looks, so that carrying a frame costs nothing more.
 */
export class Traffic {
  readonly #live = new Set<RelayCounters>();
  readonly #past = { in: zero(), out: zero() };

  add(counters: RelayCounters): void {
    this.#live.add(counters);
  }

  /** A relay has ended; its sums stay. */
  settle(counters: RelayCounters): void {
    if (!this.#live.delete(counters)) return;
    addTo(this.#past.in, counters.clientToUpstream);
    addTo(this.#past.out, counters.upstreamToClient);
  }

  /** `in`: from clients; `out`: from upstreams. */
  sums(): { in: Sums; out: Sums } {
    const sums = { in: { ...this.#past.in }, out: { ...this.#past.out } };
    for (const counters of this.#live) {
      addTo(sums.in, counters.clientToUpstream);
      addTo(sums.out, counters.upstreamToClient);
    }
    return sums;
  }

  observe(meter: Meter): void {
    const bytes = meter.createObservableCounter('holdfast_relay_bytes_total');
    const frames = meter.createObservableCounter('holdfast_relay_frames_total');
    const pauses = meter.createObservableCounter('holdfast_relay_pauses_total');
    meter.addBatchObservableCallback(
      result => {
        for (const [direction, sums] of Object.entries(this.sums())) {
          result.observe(bytes, sums.bytes, { direction });
          result.observe(frames, sums.frames, { direction });
          result.observe(pauses, sums.pauses, { direction });
        }
      },
      [bytes, frames, pauses],
    );
  }
}

interface Sums {
  bytes: number;
  frames: number;
  pauses: number;
}

function zero(): Sums {
  return { bytes: 0, frames: 0, pauses: 0 };
}

function addTo(sums: Sums, more: Sums): void {
  sums.bytes += more.bytes;
  sums.frames += more.frames;
  sums.pauses += more.pauses;
}
