import type {
  agentList,
  apiKeyRequest,
  artifact,
  auditEntry,
  clientSecretRequest,
  createdApiKey,
  EventEnvelope,
  newBudget,
  newLimit,
  newMessage,
  newProviderKey,
  RunStatus,
  repoPatch,
  sessionListQuery,
  startedRuns,
  streamTicket,
  TaskColumn,
  uploadAnswer,
} from '@holdfast/protocol';

/** The shapes of the HTTP API, derived from the protocol's schemas without carrying them along. */
type Output<T extends { _zod: { output: unknown } }> = T['_zod']['output'];
type Input<T extends { _zod: { input: unknown } }> = T['_zod']['input'];

export type AuditEntry = Output<typeof auditEntry>;
export type CreatedApiKey = Output<typeof createdApiKey>;
export type UploadAnswer = Output<typeof uploadAnswer>;
export type ApiKeyRequest = Input<typeof apiKeyRequest>;
export type ClientSecretRequest = Input<typeof clientSecretRequest>;
export type AgentList = Output<typeof agentList>;
export type RunArtifact = Output<typeof artifact>;
export type StartedRuns = Output<typeof startedRuns>;
export type StreamTicket = Output<typeof streamTicket>;
export type NewBudget = Input<typeof newBudget>;
export type NewLimit = Input<typeof newLimit>;
export type NewMessage = Input<typeof newMessage>;
export type NewProviderKey = Input<typeof newProviderKey>;
export type RepoPatch = Input<typeof repoPatch>;

export interface Page<T> {
  data: T[];
  next_cursor: string | null;
}

export interface PageQuery {
  limit?: number | undefined;
  cursor?: string | undefined;
}

export interface SessionQuery extends PageQuery {
  state?: Output<typeof sessionListQuery>['state'];
  active?: boolean | undefined;
  created_by?: string | undefined;
}

export interface TaskQuery extends PageQuery {
  repo_id?: string | undefined;
  column?: TaskColumn | undefined;
}

export interface TaskPatch {
  title?: string | undefined;
  column?: 'backlog' | 'todo' | 'done' | 'archived' | null | undefined;
}

export interface RunQuery extends PageQuery {
  status?: RunStatus | undefined;
}

/** `GET /v1/console`: what a page needs to know about the server it was loaded from. */
export interface ConsoleInfo {
  mode: 'local' | 'oidc';
  /** The operator's notice, which every page must show; null: none. */
  notice: string | null;
  /** The model is the simulator, which every page must show where there is no notice. */
  simulated: boolean;
  revision: string;
  replica: string;
  recording: { bits_per_second: number; max_bytes: number };
  webrtc: boolean;
  /** How long a new API key may live; null: for ever. */
  api_key_max_days: number | null;
}

/** `GET /v1/models`: OpenAI's list, with what we know beyond it. */
export interface Model {
  id: string;
  object: 'model';
  owned_by?: string;
  holdfast?: { aliases: string[]; protocols: string[]; default: boolean };
}

export interface ClientSecret {
  /** `ek_…`; pass it to the browser that opens the session. */
  value: string;
  /** Unix seconds. */
  expires_at: number;
  session: Record<string, unknown>;
}

/** One call over WebRTC, as `POST /v1/realtime/calls` answers it. */
export interface CallAnswer {
  sdp: string;
  /** `rtc_…`; null where the server named none. */
  callId: string | null;
  /** `ses_…`; null where the server named none. */
  sessionId: string | null;
}

export type EventPage = Page<EventEnvelope>;
