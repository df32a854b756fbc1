import type { SessionQuery } from '@holdfast/client';
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { isFinal } from '../ui/states.ts';
import { client } from './services.ts';

/** Every query of the pages, with how fresh its result has to be. */
const LIVE_INTERVAL_MS = 5000;
const HEALTH_INTERVAL_MS = 10_000;
const LIST_PAGE = 50;

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => client.me({ signal }),
  staleTime: 60_000,
});

export const consoleQuery = queryOptions({
  queryKey: ['console'],
  queryFn: ({ signal }) => client.console({ signal }),
  staleTime: 60_000,
});

export const healthQuery = queryOptions({
  queryKey: ['health'],
  queryFn: ({ signal }) => client.health({ signal }),
  refetchInterval: HEALTH_INTERVAL_MS,
});

export const modelsQuery = queryOptions({
  queryKey: ['models'],
  queryFn: ({ signal }) => client.models({ signal }),
  staleTime: 5 * 60_000,
});

export const liveSessionsQuery = queryOptions({
  queryKey: ['sessions', 'live'],
  queryFn: ({ signal }) => client.sessions.list({ active: true, limit: 20 }, { signal }),
  refetchInterval: LIVE_INTERVAL_MS,
});

export const recentSessionsQuery = queryOptions({
  queryKey: ['sessions', 'recent'],
  queryFn: ({ signal }) => client.sessions.list({ limit: 20 }, { signal }),
  refetchInterval: LIVE_INTERVAL_MS * 2,
});

export const sessionsQuery = (filter: Pick<SessionQuery, 'state' | 'created_by'>) =>
  infiniteQueryOptions({
    queryKey: ['sessions', 'list', filter],
    queryFn: ({ pageParam, signal }) =>
      client.sessions.list({ ...filter, limit: LIST_PAGE, cursor: pageParam }, { signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next_cursor ?? undefined,
    refetchInterval: LIVE_INTERVAL_MS * 2,
  });

export const sessionQuery = (id: string) =>
  queryOptions({
    queryKey: ['session', id],
    queryFn: ({ signal }) => client.sessions.get(id, { signal }),
    refetchInterval: ({ state }) => (state.data && isFinal(state.data.state) ? false : 2000),
  });

/** `count` comes from the session, so that a recording added later causes a request. */
export const recordingsQuery = (sessionId: string, count: number) =>
  queryOptions({
    queryKey: ['recordings', sessionId, count],
    queryFn: ({ signal }) => client.recordings.list(sessionId, { limit: 50 }, { signal }),
  });

export const apiKeysQuery = queryOptions({
  queryKey: ['api-keys'],
  queryFn: ({ signal }) => client.apiKeys.list({ limit: 100 }, { signal }),
});

export const limitsQuery = queryOptions({
  queryKey: ['limits'],
  queryFn: ({ signal }) => client.limits.list({ signal }),
});

export const auditQuery = infiniteQueryOptions({
  queryKey: ['audit'],
  queryFn: ({ pageParam, signal }) => client.audit({ limit: 25, cursor: pageParam }, { signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: page => page.next_cursor ?? undefined,
});
