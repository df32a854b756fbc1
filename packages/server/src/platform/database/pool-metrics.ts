import type { Meter } from '@opentelemetry/api';
import type { Database } from './database.ts';

/** How near the pool is to its end: an alert compares `in_use` with the maximum. */
export function observePool(meter: Meter, database: Database): void {
  const connections = meter.createObservableGauge('holdfast_database_connections');
  const max = meter.createObservableGauge('holdfast_database_connections_max');
  const waiting = meter.createObservableGauge('holdfast_database_waiting');
  meter.addBatchObservableCallback(
    result => {
      const now = database.connections;
      result.observe(connections, now.inUse, { state: 'in_use' });
      result.observe(connections, now.idle, { state: 'idle' });
      result.observe(max, now.max);
      result.observe(waiting, database.waiting);
    },
    [connections, max, waiting],
  );
}
