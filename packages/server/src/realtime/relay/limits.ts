/**
 * Every bound of the relay, named. A session can be given other values (`RelayLimits`), for
 * instance shorter times; what is not given is taken from `defaultLimits`.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Bounds and times of one relayed session. Sizes in bytes, times in milliseconds. */
export interface RelayLimits {
  /** Longest message either side may send. Providers take appends of 15 MiB. */
  readonly maxMessageBytes: number;
  /** Longest message of a client that carries no media. */
  readonly maxTextBytes: number;
  /** A client's messages longer than `maxTextBytes` together, but for appends of audio. */
  readonly maxLongBytesPerMinute: number;
  /** Longest message of a client that is no audio, where each is parsed before it is sent on. */
  readonly maxParsedBytes: number;
  /** What a client may send in the long run, frames' own cost (`pace.ts`) included. */
  readonly clientBytesPerSecond: number;
  /**
   * Longest non-audio message that is assembled for a tap. Longer ones are read with their strings
   * cut, as far as they are no longer then; else they pass untapped, and are counted.
   */
  readonly maxTapBytes: number;
  /** What is kept of each string of a message longer than that. */
  readonly maxTapStringBytes: number;
  /** Bytes waiting for one reader at which its source is paused. */
  readonly highWaterBytes: number;
  /** Bytes of own events that may wait for a message boundary or a slow reader. */
  readonly maxInjectBytes: number;
  /** A message up to this length waits until it is whole; a longer one passes as it comes. */
  readonly wholeMessageBytes: number;
  /**
   * Output that is kept for a client until it acknowledges it; beyond that the oldest is forgotten.
   */
  readonly maxKeptBytes: number;
  /** A canonical append longer than this is checked while it streams instead of being held. */
  readonly streamAppendBytes: number;
  /** Own ping to each side. */
  readonly pingIntervalMs: number;
  /** A side that sent no byte for so long is dead. Any byte counts, not only pongs. */
  readonly deadAfterMs: number;
  /** A reader that took nothing for so long while its source was paused is closed. */
  readonly stallAfterMs: number;
  /** From the first close frame until both sockets are destroyed. */
  readonly closeTimeoutMs: number;
  /**
   * The same from a close with `SERVICE_RESTART` on. What follows, a last write to the database,
   * has to fit the drains' part of this process's closing time as well.
   */
  readonly restartCloseTimeoutMs: number;
}

/** The close code of a process that stops: a client should connect again. */
export const SERVICE_RESTART = 1012;

/** The close code of a client that is awaited; 1001 would be a goodbye to it. */
export const COME_AGAIN = 1013;

/** The close code of a connection whose client goes on with another one: nobody comes back. */
export const RESUMED_ELSEWHERE = 4001;

export const defaultLimits: RelayLimits = {
  maxMessageBytes: 16 * MIB + 64 * KIB,
  maxTextBytes: MIB,
  maxLongBytesPerMinute: 32 * MIB,
  maxParsedBytes: 4 * MIB,
  clientBytesPerSecond: MIB,
  maxTapBytes: MIB,
  maxTapStringBytes: 64 * KIB,
  highWaterBytes: 128 * KIB,
  maxInjectBytes: MIB,
  wholeMessageBytes: 256 * KIB,
  maxKeptBytes: 4 * MIB,
  streamAppendBytes: MIB,
  pingIntervalMs: 15_000,
  deadAfterMs: 45_000,
  stallAfterMs: 10_000,
  closeTimeoutMs: 5_000,
  restartCloseTimeoutMs: 1_500,
};

/** How often pings, silence, stalls and close deadlines of all sessions are looked at. */
export const tickIntervalMs = 1_000;

/** How long a client's acknowledgement of what it was sent may stay away, at the least. */
export const acknowledgeEveryMs = 250;

/** Size of one block in which a session keeps its output. */
export const keptBlockBytes = 16 * KIB;

/** Longest payload of a control frame (RFC 6455 §5.5). */
export const maxControlBytes = 125;

/** Longest reason that fits a close frame beside its code. */
export const maxCloseReasonBytes = maxControlBytes - 2;

/** How far into a message its `type` is looked for before it counts as "not audio". */
export const maxTypePrefixBytes = 192;

/** Pongs are not sent to a reader that lets more than this wait; the latest is kept for later. */
export const maxPongBacklogBytes = 16 * KIB;

/** Size of the read buffer that all plain sockets share. */
export const readBufferBytes = 64 * KIB;

/** Size of one block from which bytes on their way out of the shared read buffer are cut. */
export const slabBlockBytes = 256 * KIB;
