import type { Redis } from '../redis/index.ts';
import type { Telemetry } from '../telemetry/index.ts';
import type { Doorbell } from './doorbell.ts';
import { createNetworkDoorbell } from './network-doorbell.ts';

export interface RedisDoorbellOptions {
  readonly redis: Redis;
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
}

const CHANNEL = 'holdfast:doorbell';
const SEND_TIMEOUT_MS = 1_000;

/**
 * Rings over Redis pub/sub. Works from the start without Redis: rings reach this process only until
 * Redis is there. Closing does not close the Redis connection.
 */
export function createRedisDoorbell(options: RedisDoorbellOptions): Doorbell {
  const { redis, telemetry } = options;
  const doorbell = createNetworkDoorbell(
    {
      adapter: 'redis',
      async send(message) {
        await redis.command(['PUBLISH', redis.name(CHANNEL), message], SEND_TIMEOUT_MS);
      },
      ping: timeoutMs => redis.ping(timeoutMs),
      async close() {
        unsubscribe();
      },
    },
    telemetry,
  );
  const unsubscribe = redis.subscribe(redis.name(CHANNEL), message => doorbell.receive(message));
  return doorbell;
}
