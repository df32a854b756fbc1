/**
 * A doorbell only announces that a subject's log has grown. Rings may be lost, merged or doubled;
 * the log is the truth and followers poll besides. Ringing never throws and never waits.
 */
export interface Doorbell {
  readonly adapter: string;
  /** Notifies every process, this one included. Rings in quick succession merge. */
  ring(subject: string): void;
  /** Calls back with subjects that may have grown. Returns the unsubscribe function. */
  onRing(listener: (subjects: readonly string[]) => void): () => void;
  ping(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}
