/** The bounds of the model gateway. Each has a test at the limit. */
export interface GatewayLimits {
  /** A request's body; a larger one is answered 413. */
  readonly maxBodyBytes: number;
  /** One event of a stream, and a whole answer, that are read for their usage. */
  readonly maxReadChars: number;
  /** The time to connect to the upstream. */
  readonly connectTimeoutMs: number;
  /** The time until the upstream's response headers: models think before they answer. */
  readonly headerTimeoutMs: number;
  /** The time between two chunks of an answer. */
  readonly idleTimeoutMs: number;
  /** From the call to its end. */
  readonly totalTimeoutMs: number;
  /** Calls of one caller at once; further ones are answered 429. */
  readonly maxCallsPerCaller: number;
  /** Calls of this process at once; further ones are answered 503. */
  readonly maxCalls: number;
  /** Bytes of bodies of one caller's calls at once; further ones are answered 429. */
  readonly maxHeldBytesPerCaller: number;
  /** The same of this process; further ones are answered 503. */
  readonly maxHeldBytes: number;
}

export const GATEWAY_LIMITS: GatewayLimits = {
  maxBodyBytes: 32 * 1024 * 1024,
  maxReadChars: 16 * 1024 * 1024,
  connectTimeoutMs: 10_000,
  headerTimeoutMs: 600_000,
  idleTimeoutMs: 300_000,
  totalTimeoutMs: 3_600_000,
  maxCallsPerCaller: 32,
  maxCalls: 512,
  maxHeldBytesPerCaller: 64 * 1024 * 1024,
  maxHeldBytes: 512 * 1024 * 1024,
};

/** Upstreams' error texts are cut here. */
export const ERROR_BODY_MAX_BYTES = 256 * 1024;
