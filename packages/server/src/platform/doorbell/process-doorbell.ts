import type { Telemetry } from '../telemetry/index.ts';
import { Coalescer } from './coalescer.ts';
import type { Doorbell } from './doorbell.ts';
import { Listeners } from './listeners.ts';
import { droppedRings } from './metrics.ts';

export interface ProcessDoorbellOptions {
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
}

/** The doorbell of a single process; never away. */
export function createProcessDoorbell(options: ProcessDoorbellOptions = {}): Doorbell {
  const listeners = new Listeners(options.telemetry?.log);
  const rings = new Coalescer(
    subjects => listeners.notify(subjects),
    droppedRings(options.telemetry),
  );
  return {
    adapter: 'process',
    ring: subject => rings.add(subject),
    onRing: listener => listeners.add(listener),
    async ping() {},
    async close() {
      rings.close();
      listeners.clear();
    },
  };
}
