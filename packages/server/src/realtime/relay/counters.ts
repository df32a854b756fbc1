/**
 * What one session has carried, as plain numbers that the registry and the metrics read at any
 * time. Written only by the relay.
 */

/**
 * One direction. Bytes are what came from its source's socket, frame headers included, up to the
 * chunk that held a close frame or broke a rule.
 */
export interface DirectionCounters {
  bytes: number;
  /** Data frames. */
  frames: number;
  /** Data messages that ended. */
  messages: number;
  /** Messages recognised as audio; they are never decoded in an unguarded direction. */
  audioMessages: number;
  /** Payload bytes of audio messages: JSON with base64, so about 4/3 of the audio itself. */
  audioBytes: number;
  /** Messages that no tap saw: binary ones, and those too long even with their strings cut. */
  untappedMessages: number;
  /** Messages longer than `maxTapBytes`, which the tap saw with their strings cut. */
  skimmedMessages: number;
  /** Messages of a guarded direction that were answered with an error instead of forwarded. */
  refusedMessages: number;
  /** Control frames received from this direction's source. */
  controlFrames: number;
  /** How often the source was paused because its reader was slow. */
  pauses: number;
  /** How often the source was held back because it had sent too much. */
  holds: number;
}

export interface RelayCounters {
  readonly clientToUpstream: DirectionCounters;
  readonly upstreamToClient: DirectionCounters;
  /** Own events sent towards the client or the upstream. */
  injectedEvents: number;
  /** Own events dropped because too many were waiting. */
  droppedEvents: number;
  /** Taps that threw. */
  tapErrors: number;
  /**
   * When a byte last came from either side, on the ticker's monotonic clock (milliseconds), to the
   * exactness of one tick.
   */
  lastActivityMs: number;
}

function directionCounters(): DirectionCounters {
  return {
    bytes: 0,
    frames: 0,
    messages: 0,
    audioMessages: 0,
    audioBytes: 0,
    untappedMessages: 0,
    skimmedMessages: 0,
    refusedMessages: 0,
    controlFrames: 0,
    pauses: 0,
    holds: 0,
  };
}

export function relayCounters(nowMs: number): RelayCounters {
  return {
    clientToUpstream: directionCounters(),
    upstreamToClient: directionCounters(),
    injectedEvents: 0,
    droppedEvents: 0,
    tapErrors: 0,
    lastActivityMs: nowMs,
  };
}
