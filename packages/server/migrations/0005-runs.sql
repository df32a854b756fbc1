-- Repositories that agents work on. Exactly one of `url` and `path` (local mode) is set. An archived
-- repository keeps its tasks readable.
create table repositories (
  id text primary key,
  project_id text not null,
  created_by text not null,
  name text not null,
  url text,
  path text,
  default_branch text,
  test_command text,
  created_at timestamptz not null default now(),
  archived_at timestamptz,
  check ((url is null) <> (path is null))
);
create index repositories_by_project on repositories (project_id, id desc)
  where archived_at is null;

-- `column_override` is what somebody chose; null: derived from the task's runs.
create table tasks (
  id text primary key,
  project_id text not null,
  repository_id text not null references repositories (id),
  created_by text not null,
  title text not null,
  column_override text check (column_override in ('backlog', 'todo', 'done', 'archived')),
  picked_run_id text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index tasks_by_project on tasks (project_id, id desc);
create index tasks_by_repository on tasks (repository_id, id desc);

-- Instructions and follow-ups, sealed with the task's key. `for_running`: written while agents
-- were at work, for them; who cannot take it in gets it as a follow-up.
create table messages (
  id text primary key,
  task_id text not null references tasks (id),
  project_id text not null,
  created_by text not null,
  number integer not null,
  instruction_key_id text not null,
  instruction_data bytea not null,
  for_running boolean not null default false,
  created_at timestamptz not null default now(),
  unique (task_id, number)
);

-- One agent's work on one message; also a subject with a log and a lease. The row with its attempt
-- and the subject's fence is the truth; the queue's job is only a wake-up.
create table runs (
  id text primary key references subjects (id),
  project_id text not null,
  task_id text not null references tasks (id),
  message_id text not null references messages (id),
  repository_id text not null references repositories (id),
  created_by text not null,
  agent text not null,
  model text,
  status text not null check (status in ('queued', 'running', 'succeeded', 'failed', 'canceled')),
  reason text,
  attempt integer not null default 0,
  -- Attempts since the last new checkpoint that ended with their worker; drains do not count.
  lost_attempts integer not null default 0,
  isolated boolean,
  base_ref text,
  base_commit text,
  head_commit text,
  branch text,
  files_changed jsonb not null default '[]',
  insertions integer not null default 0,
  deletions integer not null default 0,
  test_before jsonb,
  test_after jsonb,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  cached_tokens bigint not null default 0,
  model_calls integer not null default 0,
  cost_usd double precision,
  summary_key_id text,
  summary_data bytea,
  -- The newest checkpoint: {number, commit, manifest_key, agent_session_id}.
  checkpoint jsonb,
  agent_session_id text,
  retry_of text references runs (id),
  continues text references runs (id),
  replica text,
  -- A drained run is queued again; the next attempt says so.
  requeued_reason text,
  cancel_requested_at timestamptz,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  check ((summary_key_id is null) = (summary_data is null))
);
create index runs_by_task on runs (task_id, id);
create index runs_by_project on runs (project_id, id desc);
create index runs_open on runs (status, created_at) where status in ('queued', 'running');
create index runs_finished on runs (finished_at) where finished_at is not null;

create table artifacts (
  id text primary key,
  run_id text not null references runs (id),
  kind text not null check (kind in ('patch', 'log', 'checkpoint')),
  blob_key text not null unique,
  content_type text not null,
  size_bytes bigint not null,
  sha256 text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz
);
create index artifacts_by_run on artifacts (run_id, id);
create index artifacts_expiring on artifacts (expires_at) where expires_at is not null;

-- Answers to native POSTs with an `Idempotency-Key`, written in the transaction of what they did.
create table idempotency_keys (
  principal text not null,
  route text not null,
  key text not null,
  body_sha256 text not null,
  status integer not null,
  answer jsonb not null,
  created_at timestamptz not null default now(),
  primary key (principal, route, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);

-- What an agent shows the model gateway instead of a key: it is only ever one attempt of one run.
create table run_tokens (
  token_hash text primary key,
  run_id text not null references runs (id),
  project_id text not null,
  owner text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index run_tokens_by_run on run_tokens (run_id);
create index run_tokens_by_expiry on run_tokens (expires_at);

-- Money of one model call: reserved at its worst case before it is sent, settled after.
create table reservations (
  id text primary key,
  run_id text references runs (id),
  project_id text not null,
  owner text not null,
  model text not null,
  reserved_usd double precision not null,
  settled_usd double precision,
  created_at timestamptz not null default now(),
  settled_at timestamptz
);
create index reservations_by_run on reservations (run_id);
create index reservations_by_owner on reservations (project_id, owner, created_at);
create index reservations_by_project on reservations (project_id, created_at);

-- Limits: of every run, of one owner (or, with `owner` null, of each), and of the project a month.
create table budgets (
  id text primary key,
  project_id text not null,
  scope text not null check (scope in ('run', 'owner', 'project_month')),
  owner text,
  limit_usd double precision not null check (limit_usd >= 0),
  created_by text not null,
  created_at timestamptz not null default now(),
  check (owner is null or scope = 'owner')
);
create unique index budgets_one_each on budgets (project_id, scope, coalesce(owner, ''));

-- Keys of model providers, entered in the console; sealed with a key of their own, never shown.
create table provider_keys (
  id text primary key,
  project_id text not null,
  provider text not null,
  name text not null,
  hint text not null,
  secret_key_id text not null,
  secret_data bytea not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);
create unique index provider_keys_current on provider_keys (project_id, provider)
  where revoked_at is null;

-- Credentials of 15 minutes for EventSource, bound to one principal and some subjects.
create table stream_tickets (
  token_hash text primary key,
  principal jsonb not null,
  subjects text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index stream_tickets_by_expiry on stream_tickets (expires_at);

-- Shares of a budget that were announced, so that each is announced once. `about` names what was
-- counted: the run, the owner's or the project's month.
create table budget_notices (
  budget_id text not null references budgets (id) on delete cascade,
  about text not null,
  percent integer not null check (percent in (80, 90, 100)),
  created_at timestamptz not null default now(),
  primary key (budget_id, about, percent)
);
