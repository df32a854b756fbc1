import type { ApiKey, Health, Me, Recording, RecordingList, Session } from '@holdfast/protocol';
import { ApiError } from './api-error.ts';
import { budgetRoutes, hostedToolsRoutes, limitRoutes, providerKeyRoutes } from './budgets.ts';
import { Http, type HttpOptions } from './http.ts';
import { repoRoutes, runRoutes, taskRoutes, workRoutes } from './runs.ts';
import type {
  ApiKeyRequest,
  AuditEntry,
  CallAnswer,
  ClientSecret,
  ClientSecretRequest,
  ConsoleInfo,
  CreatedApiKey,
  EventPage,
  Model,
  Page,
  PageQuery,
  SessionQuery,
} from './types.ts';
import { type UploadRequest, type UploadSender, uploadRecording } from './upload.ts';

export type ClientOptions = HttpOptions & {
  /** How a recording travels; a browser passes one that reports progress. */
  sendUpload?: UploadSender | undefined;
};

interface Options {
  signal?: AbortSignal | undefined;
}

/**
 * The HTTP API of a Holdfast server, one function for each route. All throw ApiError; all take an
 * AbortSignal. Nothing is cached and nothing is kept open.
 */
export function createClient(options: ClientOptions = {}) {
  const http = new Http(options);
  return {
    http,
    /** Who the server takes the caller for. */
    me: ({ signal }: Options = {}) => http.json<Me>('/v1/me', { signal }),
    console: ({ signal }: Options = {}) => http.json<ConsoleInfo>('/v1/console', { signal }),
    health: ({ signal }: Options = {}) => readHealth(http, signal),
    models: async ({ signal }: Options = {}) =>
      (await http.json<{ data: Model[] }>('/v1/models', { signal })).data,
    sessions: sessionRoutes(http),
    clientSecrets: {
      create: (json: ClientSecretRequest, { signal }: Options = {}) =>
        http.json<ClientSecret>('/v1/realtime/client_secrets', { method: 'POST', json, signal }),
    },
    calls: callRoutes(http),
    apiKeys: keyRoutes(http),
    limits: limitRoutes(http),
    audit: (query: PageQuery = {}, { signal }: Options = {}) =>
      http.json<Page<AuditEntry>>('/v1/audit', { query: { ...query }, signal }),
    recordings: recordingRoutes(http, options.sendUpload),
    repos: repoRoutes(http),
    tasks: taskRoutes(http),
    runs: runRoutes(http),
    budgets: budgetRoutes(http),
    hostedTools: hostedToolsRoutes(http),
    providerKeys: providerKeyRoutes(http),
    ...workRoutes(http),
    /** Ends the console's own sign-in. */
    signOut: ({ signal }: Options = {}) =>
      http.request('/auth/logout', { method: 'POST', signal }).then(() => undefined),
  };
}
export type Client = ReturnType<typeof createClient>;

function sessionRoutes(http: Http) {
  return {
    list: (query: SessionQuery = {}, { signal }: Options = {}) =>
      http.json<Page<Session>>('/v1/sessions', { query: { ...query }, signal }),
    get: (id: string, { signal }: Options = {}) =>
      http.json<Session>(`/v1/sessions/${encodeURIComponent(id)}`, { signal }),
    /** The log after `after`, oldest first. */
    events: (
      id: string,
      query: { after?: number; limit?: number } = {},
      { signal }: Options = {},
    ) =>
      http.json<EventPage>(`/v1/sessions/${encodeURIComponent(id)}/events`, {
        query: { ...query },
        signal,
      }),
    end: (id: string, { signal }: Options = {}) =>
      http
        .request(`/v1/sessions/${encodeURIComponent(id)}/end`, { method: 'POST', signal })
        .then(() => undefined),
    /** Ends the session and erases its log, its recordings and their files. */
    delete: (id: string, { signal }: Options = {}) =>
      http
        .request(`/v1/sessions/${encodeURIComponent(id)}`, { method: 'DELETE', signal })
        .then(() => undefined),
  };
}

/** Calls over WebRTC; also with other credentials than the client's own. */
export function callRoutes(http: Http) {
  return {
    /** Offers a WebRTC call; `session` is its configuration (GA shape, with the model). */
    create: async (
      call: { sdp: string; session: Record<string, unknown> },
      { signal }: Options = {},
    ): Promise<CallAnswer> => {
      const body = new FormData();
      body.set('sdp', new Blob([call.sdp], { type: 'application/sdp' }));
      body.set('session', new Blob([JSON.stringify(call.session)], { type: 'application/json' }));
      const response = await http.request('/v1/realtime/calls', {
        method: 'POST',
        body,
        headers: { accept: 'application/sdp' },
        signal,
      });
      const location = response.headers.get('location');
      return {
        sdp: await response.text(),
        callId: location?.split('/').at(-1) ?? null,
        sessionId: response.headers.get('holdfast-session'),
      };
    },
    hangup: (callId: string, { signal }: Options = {}) =>
      http
        .request(`/v1/realtime/calls/${encodeURIComponent(callId)}/hangup`, {
          method: 'POST',
          signal,
        })
        .then(() => undefined),
  };
}

function keyRoutes(http: Http) {
  return {
    list: (query: PageQuery = {}, { signal }: Options = {}) =>
      http.json<Page<ApiKey>>('/v1/api-keys', { query: { ...query }, signal }),
    /** The only answer that ever shows the key. */
    create: (json: ApiKeyRequest, { signal }: Options = {}) =>
      http.json<CreatedApiKey>('/v1/api-keys', { method: 'POST', json, signal }),
    revoke: (id: string, { signal }: Options = {}) =>
      http
        .request(`/v1/api-keys/${encodeURIComponent(id)}`, { method: 'DELETE', signal })
        .then(() => undefined),
  };
}

function recordingRoutes(http: Http, sender: UploadSender | undefined) {
  return {
    list: (
      sessionId: string,
      query: { audio_type?: string; limit?: number; offset?: number } = {},
      { signal }: Options = {},
    ) =>
      http.json<RecordingList>(`/v1/sessions/${encodeURIComponent(sessionId)}/recordings`, {
        query: { ...query },
        signal,
      }),
    get: (id: string, { signal }: Options = {}) =>
      http.json<Recording>(`/v1/recordings/${encodeURIComponent(id)}`, { signal }),
    delete: (id: string, { signal }: Options = {}) =>
      http
        .request(`/v1/recordings/${encodeURIComponent(id)}`, { method: 'DELETE', signal })
        .then(() => undefined),
    /** For an `<audio>` element of a signed-in page; answers range requests. */
    audioUrl: (id: string) => http.url(`/v1/recordings/${encodeURIComponent(id)}/audio`),
    upload: (request: UploadRequest) => uploadRecording(http, request, sender),
  };
}

/** An unhealthy server answers 503 with the same body, and that is an answer, not a failure. */
async function readHealth(http: Http, signal?: AbortSignal): Promise<Health> {
  const response = await http.fetchOnce('/health', { signal });
  const body: unknown = await response.json().catch(() => null);
  if (typeof body === 'object' && body !== null && 'checks' in body) return body as Health;
  throw new ApiError({
    code: 'unavailable',
    status: response.status,
    detail: 'The health check gave no readable answer.',
    requestId: response.headers.get('x-request-id'),
  });
}
