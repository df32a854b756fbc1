/** Bounds of one run's egress proxy. */
export const DEFAULT_LIMITS = {
  /** Connections to hosts at once. Twice as many clients may be connected to the proxy. */
  connectionsMax: 64,
  /** Request line and headers, and as much for those of an answer. */
  headerMaxBytes: 16 * 1024,
  /** Until the headers of a request are complete. */
  headersTimeoutMs: 10_000,
  /** Looking up the name and connecting, together. */
  connectTimeoutMs: 10_000,
  /** Without a byte in either direction. */
  idleTimeoutMs: 5 * 60_000,
  /** Denials that are logged one by one; the rest is counted. */
  denialsLoggedMax: 20,
};

export type EgressLimits = Readonly<typeof DEFAULT_LIMITS>;
