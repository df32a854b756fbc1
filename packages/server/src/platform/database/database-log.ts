/** The part of a logger that the database's adapters use; never given parameters, rows or URLs. */
export interface DatabaseLog {
  warn(event: string, fields?: Record<string, unknown>): void;
}
