import { Coalescer } from './coalescer.ts';
import type { Doorbell } from './doorbell.ts';
import { Listeners } from './network-doorbell.ts';

/** For tests of what rings: a doorbell that rings in its own process alone. */
export function createProcessDoorbell(): Doorbell {
  const listeners = new Listeners();
  const rings = new Coalescer(subjects => listeners.notify(subjects));
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
