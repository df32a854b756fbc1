/** The bounds of a held call. A call can be given others (`CallLimits`), for instance shorter. */
export interface CallLimits {
  /** Attachments in a row that failed or did not last before a call is given up. */
  readonly attachAttempts: number;
  /** The pause after the n-th is twice the one before, between these two. */
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /**
   * An attachment that lasted this long resets the count of attempts. A shorter one does not:
   * otherwise an upstream that opens and drops at once would be dialled for ever.
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
