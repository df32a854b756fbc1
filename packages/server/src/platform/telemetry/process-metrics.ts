import { statfs } from 'node:fs/promises';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Meter } from '@opentelemetry/api';

const LAG_WINDOW_MS = 10_000;
const LAG_RESOLUTION_MS = 20;
const NS_PER_S = 1e9;

/** Metrics of the process and its machine. Returns the function that ends the measuring. */
export function observeProcess(meter: Meter, dataDir: string | undefined): () => void {
  observeMemory(meter);
  observeCpu(meter);
  if (dataDir !== undefined) observeDisk(meter, dataDir);
  return observeEventLoop(meter);
}

function observeMemory(meter: Meter): void {
  const rss = meter.createObservableGauge('process_resident_memory_bytes');
  const used = meter.createObservableGauge('nodejs_heap_used_bytes');
  const total = meter.createObservableGauge('nodejs_heap_total_bytes');
  const external = meter.createObservableGauge('nodejs_external_memory_bytes');
  meter.addBatchObservableCallback(
    result => {
      const memory = process.memoryUsage();
      result.observe(rss, memory.rss);
      result.observe(used, memory.heapUsed);
      result.observe(total, memory.heapTotal);
      result.observe(external, memory.external);
    },
    [rss, used, total, external],
  );
}

function observeCpu(meter: Meter): void {
  meter.createObservableCounter('process_cpu_seconds_total').addCallback(result => {
    const { user, system } = process.cpuUsage();
    result.observe((user + system) / 1e6);
  });
  meter
    .createObservableGauge('process_start_time_seconds')
    .addCallback(result => result.observe(performance.timeOrigin / 1000));
}

function observeDisk(meter: Meter, dataDir: string): void {
  const free = meter.createObservableGauge('holdfast_disk_free_bytes');
  const size = meter.createObservableGauge('holdfast_disk_size_bytes');
  meter.addBatchObservableCallback(
    async result => {
      const volume = await statfs(dataDir).catch(() => undefined);
      if (!volume) return;
      result.observe(free, volume.bavail * volume.bsize);
      result.observe(size, volume.blocks * volume.bsize);
    },
    [free, size],
  );
}

/** Lag over windows of fixed length, so that several readers do not spoil each other's numbers. */
function observeEventLoop(meter: Meter): () => void {
  const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  delay.enable();
  let start = performance.eventLoopUtilization();
  let window = { p99S: 0, maxS: 0, utilization: 0 };
  const timer = setInterval(() => {
    window = {
      p99S: Math.max(0, delay.percentile(99) / NS_PER_S - LAG_RESOLUTION_MS / 1000),
      maxS: Math.max(0, delay.max / NS_PER_S - LAG_RESOLUTION_MS / 1000),
      utilization: performance.eventLoopUtilization(start).utilization,
    };
    start = performance.eventLoopUtilization();
    delay.reset();
  }, LAG_WINDOW_MS).unref();
  const gauge = (name: string, read: () => number) =>
    meter.createObservableGauge(name).addCallback(result => result.observe(read()));
  gauge('nodejs_eventloop_lag_p99_seconds', () => window.p99S);
  gauge('nodejs_eventloop_lag_max_seconds', () => window.maxS);
  gauge('nodejs_eventloop_utilization_ratio', () => window.utilization);
  return () => {
    clearInterval(timer);
    delay.disable();
  };
}
