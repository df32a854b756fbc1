/** The bounds of a held call. A call can be given others (`CallLimits`), for instance shorter. */
export interface CallLimits {
  /** Attachments in a row that failed or did not last before a call is given up. */
  readonly attachAttempts: number;
  /** The pause after the n-th is twice the one before, between these two. */
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /**
   * An attachment that lasted so long was a good one, and the count starts anew. Without this, an
   * upstream that opens and drops at once would be asked for ever.
   */
  readonly stableAfterMs: number;
  readonly hangUpAttempts: number;
}

export const defaultCallLimits: CallLimits = {
  attachAttempts: 8,
  backoffMinMs: 250,
  backoffMaxMs: 8_000,
  stableAfterMs: 30_000,
  hangUpAttempts: 3,
};
