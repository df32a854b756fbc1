import { type ApiError, followEvents } from '@holdfast/client';
import type { EventEnvelope } from '@holdfast/protocol';
import { useEffect, useState } from 'react';
import { client } from '../app/services.ts';

export interface Followed {
  readonly events: readonly EventEnvelope[];
  /** The first batch is there, even if it was empty. */
  readonly ready: boolean;
  readonly error: unknown;
  /** The newest poll failed; polling continues. */
  readonly stale: boolean;
}

const NOTHING: Followed = { events: [], ready: false, error: null, stale: false };
/** Beyond this many the oldest are dropped; the log on the server keeps them. */
const EVENTS_MAX = 100_000;

/** Follows a session's log as long as the component is shown. */
export function useEvents(sessionId: string, options: { maxDelayMs?: number } = {}): Followed {
  const [followed, setFollowed] = useState(NOTHING);
  const { maxDelayMs } = options;
  useEffect(() => {
    const abort = new AbortController();
    setFollowed(NOTHING);
    const run = async () => {
      const onError = (_: ApiError) => setFollowed(now => ({ ...now, stale: true }));
      const batches = followEvents(client, sessionId, {
        signal: abort.signal,
        onError,
        ...(maxDelayMs === undefined ? {} : { maxDelayMs }),
      });
      for await (const batch of batches) {
        setFollowed(now => ({
          events: [...now.events, ...batch].slice(-EVENTS_MAX),
          ready: true,
          error: null,
          stale: false,
        }));
      }
    };
    run().catch(error => {
      if (!abort.signal.aborted) setFollowed(now => ({ ...now, ready: true, error }));
    });
    return () => abort.abort();
  }, [sessionId, maxDelayMs]);
  return followed;
}
