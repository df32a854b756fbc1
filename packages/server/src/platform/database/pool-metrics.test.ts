import { expect, it } from 'vitest';
import { recordTelemetry } from '../log/testing.ts';
import { observePool } from './pool-metrics.ts';
import { openTestDatabase } from './testing.ts';

it('the metrics of the pool tell what is in use, what is free, and who waits', async () => {
  const [database, telemetry] = await Promise.all([openTestDatabase(), recordTelemetry()]);
  observePool(telemetry.meter, database);
  const { max } = database.connections;
  const inUse = async () =>
    (await telemetry.prometheus())
      .split('\n')
      .find(line => line.startsWith('holdfast_database_connections{') && line.includes('in_use'))
      ?.split(' ')
      .at(-1);
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const work = Array.from({ length: max + 2 }, () => database.transaction(() => over));
  try {
    await expect.poll(inUse).toBe(String(max));
    expect(await telemetry.metric('holdfast_database_connections_max')).toBe(max);
    expect(await telemetry.metric('holdfast_database_waiting')).toBe(2);
  } finally {
    end();
    await Promise.all(work);
  }
  await expect.poll(inUse).toBe('0');
  expect(await telemetry.metric('holdfast_database_waiting')).toBe(0);
  await database.close();
  await telemetry.close();
});
