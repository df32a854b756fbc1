/**
 * Why there is no embedded database: its folder, its volume, its rights, or what the machine lacks.
 * One line for the operator to read, without a stack.
 */
export class EmbeddedDatabaseError extends Error {
  override readonly name = 'EmbeddedDatabaseError';
}

/** An operator can mend a refused file operation; other errors are defects of ours. */
export function toEmbeddedError(error: unknown, dataDir: string): unknown {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) return error;
  return new EmbeddedDatabaseError(`the data folder ${dataDir} cannot be used: ${error.message}`, {
    cause: error,
  });
}
