import type { Meter } from '@opentelemetry/api';

/** What is known of a Redis, measured with each look at its health. */
export interface RedisMetrics {
  /** The text of INFO's section `memory`, and the time in which it came. */
  answered(info: string, latencyMs: number): void;
  /** Nothing is measured any more. */
  end(): void;
}

export function createRedisMetrics(meter: Meter, isReady: () => boolean): RedisMetrics {
  let memory: { usedBytes: number; maxBytes: number } | undefined;
  let ended = false;
  const latency = meter.createHistogram('redis_connection_latency_ms');
  const status = meter.createObservableGauge('redis_connection_status');
  const used = meter.createObservableGauge('holdfast_redis_memory_bytes');
  const max = meter.createObservableGauge('holdfast_redis_memory_max_bytes');
  meter.addBatchObservableCallback(
    result => {
      if (ended) return;
      result.observe(status, isReady() ? 1 : 0);
      if (memory === undefined) return;
      result.observe(used, memory.usedBytes);
      result.observe(max, memory.maxBytes);
    },
    [status, used, max],
  );
  return {
    answered(info, latencyMs) {
      latency.record(latencyMs);
      const usedBytes = numberIn(info, 'used_memory');
      // 0: Redis takes what the machine has.
      const maxBytes = numberIn(info, 'maxmemory') || numberIn(info, 'total_system_memory');
      memory = usedBytes > 0 ? { usedBytes, maxBytes } : undefined;
    },
    end() {
      ended = true;
    },
  };
}

function numberIn(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
}
