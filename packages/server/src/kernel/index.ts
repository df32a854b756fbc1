/**
 * What every part of the server may use: errors, ids, clock, lifecycle.
 * Knows nothing of HTTP or SQL.
 */
export { allOf, endsWithin, unlessAborted, within } from './bounded.ts';
export { type Clock, systemClock } from './clock.ts';
export { HoldfastError, toHoldfastError } from './errors.ts';
export { ExpiringCache } from './expiring-cache.ts';
export { type IdPrefix, isId, newId, newUuidV7 } from './ids.ts';
export { closeInherited } from './inherited.ts';
export {
  type Component,
  closeAll,
  Lifecycle,
  type LifecycleState,
} from './lifecycle.ts';
export { isLoopbackHost } from './loopback.ts';
export { assertShallow, JSON_LIMITS, JsonScanner, parseJson } from './parse-json.ts';
export { RepeatedLook } from './repeated-look.ts';
export { syncFolder } from './sync-folder.ts';
