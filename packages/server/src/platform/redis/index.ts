/**
 * The connection to Redis that doorbell and limits share. Redis holds nothing that must not be
 * lost, so its absence is an ordinary state: `createRedis` returns at once, the connection mends
 * itself for ever, commands are refused while it is away, and no failure of it reaches the process
 * but through the promise of a command.
 */
export { createRedis, type Redis } from './redis.ts';
