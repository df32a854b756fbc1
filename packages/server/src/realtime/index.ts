/**
 * Voice sessions: a person talks with a realtime model, and this is in between.
 *
 * A session is a subject with a log, a lease and a row of its own (`session.ts` tells its life,
 * `transitions.ts` moves it). Over a WebSocket the frames pass through `relay/`; over WebRTC media
 * goes between browser and provider, and this holds the provider's sideband (`calls/`).
 * Preview-shape clients are translated at the edge (`preview/`); inside everything is GA.
 *
 * Invariants:
 * - The provider's credentials never leave the server; clients hold credentials of ours.
 * - An owner never holds more places than allowed, whichever replicas admit (`open-session.ts`).
 * - Audio is never stored or logged, and never waits for the database: log, usage and activity
 *   follow within bounds (`leased-session.ts`, `registry.ts`).
 * - Whatever ends a connection, its session's row and lease are moved on: by its holder, or by any
 *   replica's sweep (`sweep.ts`) when the holder is dead.
 * - Expiry is judged by the database's clock.
 */
export {
  loadSessionDefaults,
  SEED_DEFAULTS,
} from './defaults.ts';
export { createRealtime, type Realtime, type RealtimeDeps } from './feature.ts';
export { SESSION_KIND } from './kind.ts';
