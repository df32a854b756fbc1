/**
 * Voice sessions: this relays between a person and a realtime model.
 *
 * A session is a subject with a log, a lease and a row of its own (states in `session.ts`, written
 * by `transitions.ts`). Over a WebSocket the frames pass through `relay/`; over WebRTC media goes
 * between browser and provider, and this holds the provider's sideband (`calls/`).
 * Where an upstream ends, `handover/` puts another one in its place.
 * Preview-shape clients are translated at the edge (`preview/`); inside everything is GA.
 *
 * Invariants:
 * - The provider's credentials never leave the server; clients hold credentials of ours.
 * - An owner never holds more places than allowed, whichever replicas admit (`open-session.ts`).
 * - Audio is never stored or logged, and never waits for the database: log, usage and activity
 *   follow within bounds (`leased-session.ts`, `registry.ts`).
 * - However a connection ends, its session reaches the state that follows and its lease is given
 *   up: by the replica that holds it, or by any replica's sweep (`sweep.ts`) when that one is dead.
 * - Expiry is judged by the database's clock.
 */
export { loadSessionDefaults } from './defaults.ts';
export { createRealtime, type Realtime, type RealtimeDeps } from './feature.ts';
export { SESSION_KIND } from './kind.ts';
export { NOT_OFFERED } from './routes/not-offered.ts';
export { recordedSessions } from './store.ts';
