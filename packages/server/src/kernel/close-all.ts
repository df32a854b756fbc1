import { endsWithin } from './bounded.ts';

/** The time that one part's close may take: the service it waits for may never answer. */
export const CLOSE_MAX_MS = 10_000;

export interface Closable {
  readonly name: string;
  close(): Promise<void>;
}

/**
 * Closes all, one after the other. A part that fails, or takes longer than `CLOSE_MAX_MS`, is
 * reported by its name and left; in the end such failures are thrown together.
 */
export async function closeAll(
  parts: readonly Closable[],
  onFailure: (name: string, error: unknown) => void,
): Promise<void> {
  const failures: unknown[] = [];
  for (const part of parts) {
    try {
      if (await endsWithin(part.close(), CLOSE_MAX_MS)) continue;
      throw new Error(`${part.name} did not close within ${CLOSE_MAX_MS} ms.`);
    } catch (error) {
      failures.push(error);
      onFailure(part.name, error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'Not every port closed.');
}
