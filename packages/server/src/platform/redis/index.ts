/**
 * The connection to Redis that doorbell and limits share. Redis holds no data that must survive, so
 * its absence is an ordinary state: `createRedis` returns at once, the connection repairs itself
 * for ever, commands are refused while it is away, and its failures surface only as rejected
 * commands.
 */
export { createRedis, type Redis } from './redis.ts';
