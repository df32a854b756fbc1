/** Bounds of one run's outbound proxy. */
export interface OutboundLimits {
  /** Connections to hosts at once. Twice as many clients may be connected to the proxy. */
  readonly connectionsMax: number;
  /** Request line and headers, and as much for those of an answer. */
  readonly headerMaxBytes: number;
  /** Until the headers of a request are complete. */
  readonly headersTimeoutMs: number;
  /** Looking up the name and connecting, together. */
  readonly connectTimeoutMs: number;
  /** Without a byte in either direction. */
  readonly idleTimeoutMs: number;
  /** Denials that are logged one by one; the rest is counted. */
  readonly denialsLoggedMax: number;
}

export const CONNECTIONS_MAX = 64;
export const HEADER_MAX_BYTES = 16 * 1024;
export const HEADERS_TIMEOUT_MS = 10_000;
export const CONNECT_TIMEOUT_MS = 10_000;
export const IDLE_TIMEOUT_MS = 5 * 60_000;
export const DENIALS_LOGGED_MAX = 20;

export const DEFAULT_LIMITS: OutboundLimits = {
  connectionsMax: CONNECTIONS_MAX,
  headerMaxBytes: HEADER_MAX_BYTES,
  headersTimeoutMs: HEADERS_TIMEOUT_MS,
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  idleTimeoutMs: IDLE_TIMEOUT_MS,
  denialsLoggedMax: DENIALS_LOGGED_MAX,
};
