import type { EventEnvelope } from '@holdfast/protocol';
import { ApiError } from './api-error.ts';
import { wait } from './backoff.ts';
import type { Client } from './client.ts';

export interface FollowOptions {
  /** Begin after this `seq`; 0 begins at the first event. */
  after?: number;
  signal?: AbortSignal;
  /** The wait after a poll that brought something; doubles while nothing comes. */
  minDelayMs?: number;
  maxDelayMs?: number;
  pageSize?: number;
  /** Called for each failed poll; following continues. */
  onError?: (error: ApiError) => void;
}

const MIN_DELAY_MS = 500;
const MAX_DELAY_MS = 5000;
const PAGE_SIZE = 500;

/**
 * Follows a session's log: gives each batch of new events once, in order, without holes, and never
 * ends by itself, because a log may still grow after its session did. An unreachable
 * server is polled with growing intervals; a refusal (not found, forbidden) is thrown. Abort the
 * signal or leave the loop to stop.
 */
export async function* followEvents(
  client: Pick<Client, 'sessions'>,
  sessionId: string,
  options: FollowOptions = {},
): AsyncGenerator<EventEnvelope[], void> {
  const { signal, minDelayMs = MIN_DELAY_MS, maxDelayMs = MAX_DELAY_MS } = options;
  const limit = options.pageSize ?? PAGE_SIZE;
  let after = options.after ?? 0;
  let delay = minDelayMs;
  while (!signal?.aborted) {
    const events = await poll(client, sessionId, { after, limit }, options);
    if (signal?.aborted) return;
    if (events !== null && events.length > 0) {
      after = events.at(-1)!.seq;
      delay = minDelayMs;
      yield events;
      if (events.length >= limit) continue;
    } else {
      delay = Math.min(maxDelayMs, delay * 2);
    }
    await wait(delay, signal).catch(() => undefined);
  }
}

/** The new events; null where the poll failed and may succeed later. */
async function poll(
  client: Pick<Client, 'sessions'>,
  sessionId: string,
  query: { after: number; limit: number },
  { signal, onError }: FollowOptions,
): Promise<EventEnvelope[] | null> {
  try {
    const page = await client.sessions.events(sessionId, query, { signal });
    return page.data.filter(event => event.seq > query.after);
  } catch (error) {
    if (signal?.aborted) return null;
    if (!(error instanceof ApiError) || !error.transient) throw error;
    onError?.(error);
    return null;
  }
}
