import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { client } from './services.ts';

/**
 * Queries for tasks and runs. The stream of a run reports changes; polling every few seconds covers
 * what no open page follows.
 */
const LIVE_INTERVAL_MS = 5000;
const LIST_PAGE = 200;
const RECENT_PAGE = 20;

export const tasksQuery = infiniteQueryOptions({
  queryKey: ['tasks', 'list'],
  queryFn: ({ pageParam, signal }) =>
    client.tasks.list({ limit: LIST_PAGE, cursor: pageParam }, { signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: page => page.next_cursor ?? undefined,
  refetchInterval: LIVE_INTERVAL_MS,
});

/** The newest few, for parts that only need to know whether and how tasks are used. */
export const recentTasksQuery = queryOptions({
  queryKey: ['tasks', 'recent'],
  queryFn: ({ signal }) => client.tasks.list({ limit: RECENT_PAGE }, { signal }),
  refetchInterval: LIVE_INTERVAL_MS * 2,
});

export const reposQuery = queryOptions({
  queryKey: ['repos'],
  queryFn: ({ signal }) => client.repos.list({ limit: LIST_PAGE }, { signal }),
  staleTime: 30_000,
});

export const agentsQuery = queryOptions({
  queryKey: ['agents'],
  queryFn: ({ signal }) => client.agents({ signal }),
  staleTime: 60_000,
});

export const taskQuery = (id: string) =>
  queryOptions({
    queryKey: ['task', id],
    queryFn: ({ signal }) => client.tasks.get(id, { signal }),
    refetchInterval: LIVE_INTERVAL_MS,
  });

export const messagesQuery = (taskId: string) =>
  queryOptions({
    queryKey: ['task', taskId, 'messages'],
    queryFn: async ({ signal }) =>
      (await client.tasks.messages(taskId, { limit: LIST_PAGE }, { signal })).data.sort(
        (a, b) => a.number - b.number,
      ),
    refetchInterval: LIVE_INTERVAL_MS,
  });

export const taskRunsQuery = (taskId: string) =>
  queryOptions({
    queryKey: ['task', taskId, 'runs'],
    queryFn: async ({ signal }) =>
      (await client.tasks.runs(taskId, { limit: LIST_PAGE }, { signal })).data.sort((a, b) =>
        a.id < b.id ? -1 : 1,
      ),
    refetchInterval: LIVE_INTERVAL_MS,
  });

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ['run', id],
    queryFn: ({ signal }) => client.runs.get(id, { signal }),
  });

export const runningRunsQuery = queryOptions({
  queryKey: ['runs', 'running'],
  queryFn: ({ signal }) => client.runs.list({ status: 'running', limit: 20 }, { signal }),
  refetchInterval: LIVE_INTERVAL_MS,
});

export const failedRunsQuery = queryOptions({
  queryKey: ['runs', 'failed'],
  queryFn: ({ signal }) => client.runs.list({ status: 'failed', limit: 20 }, { signal }),
  refetchInterval: LIVE_INTERVAL_MS * 2,
});

export const patchQuery = (runId: string) =>
  queryOptions({
    queryKey: ['patch', runId],
    queryFn: ({ signal }) => client.runs.patch(runId, { signal }),
    // The patch of an ended run never changes.
    staleTime: Number.POSITIVE_INFINITY,
  });

export const budgetsQuery = queryOptions({
  queryKey: ['budgets'],
  queryFn: ({ signal }) => client.budgets.list({ signal }),
  staleTime: 60_000,
});

export const providerKeysQuery = queryOptions({
  queryKey: ['provider-keys'],
  queryFn: ({ signal }) => client.providerKeys.list({ signal }),
});

export const hostedToolsQuery = queryOptions({
  queryKey: ['hosted-tools'],
  queryFn: ({ signal }) => client.hostedTools.get({ signal }),
});

export const queueQuery = queryOptions({
  queryKey: ['queue'],
  queryFn: ({ signal }) => client.queue.get({ signal }),
  refetchInterval: LIVE_INTERVAL_MS,
});
