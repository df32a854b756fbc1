import type { Counter } from '@opentelemetry/api';
import type { Telemetry } from '../telemetry/index.ts';

export function droppedRings(telemetry: Pick<Telemetry, 'meter'> | undefined): Counter | undefined {
  return telemetry?.meter.createCounter('holdfast_doorbell_dropped_total');
}
