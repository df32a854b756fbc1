import type {
  Message,
  NewRepo,
  NewRuns,
  NewTask,
  QueueInfo,
  Repo,
  Run,
  Task,
} from '@holdfast/protocol';
import type { Http } from './http.ts';
import type {
  AgentList,
  EventPage,
  NewMessage,
  Page,
  PageQuery,
  RepoPatch,
  RunArtifact,
  RunQuery,
  StartedRuns,
  StreamTicket,
  TaskPatch,
  TaskQuery,
} from './types.ts';

interface Options {
  signal?: AbortSignal | undefined;
}

const part = encodeURIComponent;

/** What agents work on. */
export function repoRoutes(http: Http) {
  return {
    list: (query: PageQuery = {}, { signal }: Options = {}) =>
      http.json<Page<Repo>>('/v1/repos', { query: { ...query }, signal }),
    get: (id: string, { signal }: Options = {}) =>
      http.json<Repo>(`/v1/repos/${part(id)}`, { signal }),
    create: (json: NewRepo, { signal }: Options = {}) =>
      post<Repo>(http, '/v1/repos', json, signal),
    update: (id: string, json: RepoPatch, { signal }: Options = {}) =>
      http.json<Repo>(`/v1/repos/${part(id)}`, { method: 'PATCH', json, signal }),
    /** Takes it out of the list; its tasks stay readable. */
    archive: (id: string, { signal }: Options = {}) =>
      http.request(`/v1/repos/${part(id)}`, { method: 'DELETE', signal }).then(() => undefined),
  };
}

/** A change to a repository, with its messages and runs. */
export function taskRoutes(http: Http) {
  const path = (id: string, rest = '') => `/v1/tasks/${part(id)}${rest}`;
  return {
    list: (query: TaskQuery = {}, { signal }: Options = {}) =>
      http.json<Page<Task>>('/v1/tasks', { query: { ...query }, signal }),
    get: (id: string, { signal }: Options = {}) => http.json<Task>(path(id), { signal }),
    create: (json: NewTask, { signal }: Options = {}) =>
      post<Task>(http, '/v1/tasks', json, signal),
    /** Changes the title or the column; null: the column follows from the runs. */
    update: (id: string, json: TaskPatch, { signal }: Options = {}) =>
      http.json<Task>(path(id), { method: 'PATCH', json, signal }),
    messages: (id: string, query: PageQuery = {}, { signal }: Options = {}) =>
      http.json<Page<Message>>(path(id, '/messages'), { query: { ...query }, signal }),
    /** Delivers to running agents that accept messages; starts no run. */
    addMessage: (id: string, json: NewMessage, { signal }: Options = {}) =>
      post<Message>(http, path(id, '/messages'), json, signal),
    runs: (id: string, query: PageQuery = {}, { signal }: Options = {}) =>
      http.json<Page<Run>>(path(id, '/runs'), { query: { ...query }, signal }),
    /** Starts one run for each agent, side by side. */
    start: (id: string, json: NewRuns, { signal }: Options = {}) =>
      post<StartedRuns>(http, path(id, '/runs'), json, signal),
  };
}

/** One agent's work on one message. */
export function runRoutes(http: Http) {
  const path = (id: string, rest = '') => `/v1/runs/${part(id)}${rest}`;
  return {
    list: (query: RunQuery = {}, { signal }: Options = {}) =>
      http.json<Page<Run>>('/v1/runs', { query: { ...query }, signal }),
    get: (id: string, { signal }: Options = {}) => http.json<Run>(path(id), { signal }),
    /** The log after `after`, oldest first. */
    events: (
      id: string,
      query: { after?: number; limit?: number } = {},
      { signal }: Options = {},
    ) => http.json<EventPage>(path(id, '/events'), { query: { ...query }, signal }),
    /** Requests the run to stop; its work so far is kept. */
    cancel: (id: string, { signal }: Options = {}) =>
      post<unknown>(http, path(id, '/cancel'), undefined, signal).then(() => undefined),
    /** The same message and agent once more, as a new run. */
    retry: (id: string, { signal }: Options = {}) =>
      post<StartedRuns>(http, path(id, '/retry'), undefined, signal),
    /** Chooses this run among those of its message. */
    pick: (id: string, { signal }: Options = {}) =>
      post<unknown>(http, path(id, '/pick'), undefined, signal).then(() => undefined),
    /**
     * Asks for its branch to be pushed to the remote. How that ended is in its log, as
     * `push.finished`.
     */
    push: (id: string, { signal }: Options = {}) =>
      post<Run>(http, path(id, '/push'), undefined, signal),
    ...resultRoutes(http, path),
  };
}

/** The results of a run. */
function resultRoutes(http: Http, path: (id: string, rest: string) => string) {
  return {
    /** The work as a patch against its base; '' where nothing was changed. */
    patch: async (id: string, { signal }: Options = {}): Promise<string> => {
      const headers = { accept: 'text/x-diff' };
      return (await http.request(path(id, '/patch'), { headers, signal })).text();
    },
    /** For a link of a signed-in page. */
    patchUrl: (id: string) => http.url(path(id, '/patch')),
    /** What agent and tools wrote, as text; for the creator and Admins. */
    logs: async (id: string, { signal }: Options = {}): Promise<string> => {
      const headers = { accept: 'text/plain' };
      return (await http.request(path(id, '/logs'), { headers, signal })).text();
    },
    /** For a link of a signed-in page. */
    logsUrl: (id: string) => http.url(path(id, '/logs')),
    artifacts: (id: string, query: PageQuery = {}, { signal }: Options = {}) =>
      http.json<Page<RunArtifact>>(path(id, '/artifacts'), { query: { ...query }, signal }),
  };
}

/** Agents, the queue, and credentials for `EventSource`. */
export function workRoutes(http: Http) {
  return {
    agents: ({ signal }: Options = {}) => http.json<AgentList>('/v1/agents', { signal }),
    queue: {
      get: ({ signal }: Options = {}) => http.json<QueueInfo>('/v1/queue', { signal }),
      /** Puts a dead-lettered job back into its queue, or all of them; returns how many. */
      redrive: async (jobId?: string, { signal }: Options = {}): Promise<number> => {
        const json = jobId === undefined ? {} : { job_id: jobId };
        const request = { method: 'POST', json, signal } as const;
        return (await http.json<{ redriven: number }>('/v1/queue/redrive', request)).redriven;
      },
    },
    /** `subjects` are ids of runs; the ticket is good for these only, for 15 minutes. */
    streamTicket: (subjects: string[], { signal }: Options = {}) =>
      http.json<StreamTicket>('/v1/stream/tickets', { method: 'POST', json: { subjects }, signal }),
  };
}

function post<T>(http: Http, path: string, json: unknown, signal?: AbortSignal): Promise<T> {
  return http.json<T>(path, { method: 'POST', json, signal, idempotent: true });
}
