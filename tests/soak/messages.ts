/**
 * The messages between the soak and its load processes: a line of JSON each, requests on standard
 * input, replies on standard output.
 */

/** The sessions of one load process. */
export interface LoadPlan {
  /** `ws://…`, where sessions are opened. */
  readonly url: string;
  readonly sessions: number;
  readonly fps: number;
  readonly frameBytes: number;
  readonly framesPerSession: number;
  readonly factEveryMs: number;
  readonly seed: string;
}

export type LoadRequest =
  /** Opens all sessions and waits for both `session.created` and `holdfast.session`. */
  | { readonly id: number; readonly do: 'open'; readonly plan: LoadPlan }
  /** Sends every session's frames on schedule, then ends the model's stream. */
  | { readonly id: number; readonly do: 'run' }
  /** How far it is. */
  | { readonly id: number; readonly do: 'progress' }
  /** What every session sent and received. */
  | { readonly id: number; readonly do: 'results' }
  /** Closes every session with 1000. */
  | { readonly id: number; readonly do: 'close' };

export interface LoadReply {
  readonly id: number;
  readonly error?: string;
  readonly value?: unknown;
}

export interface LoadProgress {
  readonly framesSent: number;
  readonly framesReceived: number;
  /** Sessions that were closed by the other side. */
  readonly lost: number;
  /** How late the latest frame left. */
  readonly lateMaxMs: number;
  readonly cpuSeconds: number;
}

/** One session as its client saw it. */
export interface ClientSession {
  /** The server's id. */
  readonly id: string;
  /** The model's id. */
  readonly upstreamId: string;
  readonly framesSent: number;
  readonly framesReceived: number;
  readonly sentSha256: string;
  readonly receivedSha256: string;
  /** Function results that were sent; each one is an event of the log. */
  readonly facts: number;
  /** What went wrong: closes, `error` events, a connection that does not take what is sent. */
  readonly faults: readonly string[];
}
