-- Everything belongs to a project. `default` is the one of local mode and of claims that name none.
create table projects (
  id text primary key,
  name text not null,
  created_at timestamptz not null default now()
);
insert into projects (id, name) values ('default', 'Default');

-- Keys for machines. Only the SHA-256 of a key is kept: 256 random bits need no slow hash. Revoked
-- keys stay, so that the audit log's names can be resolved.
create table api_keys (
  id text primary key,
  project_id text not null references projects (id),
  name text not null,
  role text not null check (role in ('Viewer', 'Developer', 'Admin')),
  key_hash text not null unique,
  prefix text not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index api_keys_by_project on api_keys (project_id, id desc);

-- Narrowed, short-lived secrets for browsers. The session's configuration may hold instructions,
-- so it is sealed like every private field. Rows go when they have expired.
create table client_secrets (
  id text primary key,
  secret_hash text not null unique,
  project_id text not null references projects (id),
  created_by text not null,
  creator_name text not null,
  model text not null,
  locked text[] not null,
  session_key_id text not null,
  session_data bytea not null,
  max_sessions integer not null check (max_sessions > 0),
  used_sessions integer not null default 0 check (used_sessions between 0 and max_sessions),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index client_secrets_by_expiry on client_secrets (expires_at);
create index client_secrets_by_creator on client_secrets (created_by);

-- Signed-in browsers. `roles` is what the identity provider said at sign-in: {project: role}.
create table console_sessions (
  id text primary key,
  token_hash text not null unique,
  principal_id text not null,
  name text not null,
  roles jsonb not null,
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index console_sessions_by_expiry on console_sessions (expires_at);

-- Acts of Admins, and denials. Append-only; old rows are swept.
create table audit_log (
  id text primary key,
  created_at timestamptz not null default now(),
  principal text not null,
  project_id text,
  action text not null,
  target text,
  outcome text not null check (outcome in ('allowed', 'denied')),
  reason text,
  request_id text not null
);
create index audit_log_by_project on audit_log (project_id, id desc);
create index audit_log_by_age on audit_log (created_at);
