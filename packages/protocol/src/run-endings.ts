/** Without schemas: a client that only follows runs imports this file by itself. */

/** After one of these a run's stream is over. */
export const RUN_ENDINGS = ['run.succeeded', 'run.failed', 'run.canceled'] as const;

export function isRunEnding(type: string): boolean {
  return (RUN_ENDINGS as readonly string[]).includes(type);
}
