/** The bounds of the HTTP side. Each has a test at the limit. */
export interface HttpLimits {
  /** All headers of a request together, its target included; more is answered 431. */
  readonly maxHeaderBytes: number;
  /** A longer request target (path and query) is answered 400. */
  readonly maxUrlBytes: number;
  /** Open sockets of every kind; further ones are closed unanswered. */
  readonly maxConnections: number;
  /** The time from connection (or the previous answer) to complete headers. */
  readonly headersTimeoutMs: number;
  /** The time for a whole request, body included. */
  readonly requestTimeoutMs: number;
  /** Longer than the 60 s that load balancers commonly keep idle connections. */
  readonly keepAliveTimeoutMs: number;
  /** How often the two timeouts above are checked. */
  readonly checkIntervalMs: number;
  /** Upgrades between their request and their handler's call. */
  readonly maxPendingUpgrades: number;
  /** Upgraded sockets that are open. */
  readonly maxOpenUpgrades: number;
  /** The time that authenticating an upgrade may take. */
  readonly upgradeAuthenticationTimeoutMs: number;
  /** A refused peer that does not read its answer is cut off after this time. */
  readonly refusalLingerMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  maxHeaderBytes: 32 * 1024,
  maxUrlBytes: 8 * 1024,
  maxConnections: 20_000,
  headersTimeoutMs: 15_000,
  requestTimeoutMs: 300_000,
  keepAliveTimeoutMs: 65_000,
  checkIntervalMs: 5_000,
  maxPendingUpgrades: 512,
  maxOpenUpgrades: 10_000,
  upgradeAuthenticationTimeoutMs: 10_000,
  refusalLingerMs: 2_000,
};

/** The default bound of a JSON body; routes that take more declare it. */
export const BODY_LIMIT_BYTES = 1024 * 1024;
/** Requests still running when the server closes are cut off after this time. */
export const CLOSE_GRACE_MS = 3_000;
/** A health answer is at most this old. */
export const HEALTH_CACHE_MS = 5_000;
/** A check that takes longer counts as failed. */
export const HEALTH_CHECK_TIMEOUT_MS = 3_000;
/** Time for the process beside this one to answer on its status socket; below a check's. */
export const STATUS_TIMEOUT_MS = 2_000;
/** The most that is read of such an answer: 50 metrics with all the series that they may have. */
export const STATUS_MAX_BYTES = 4 * 1024 * 1024;
/** Longest `:name` part of a path; a longer one is answered 404. */
export const PATH_PARAM_MAX_CHARS = 200;
/** Prose in error answers is cut here. */
export const DETAIL_MAX_CHARS = 500;
