-- One row per voice session. Times that several processes must agree on are judged by now().
create table sessions (
  id text primary key references subjects (id),
  project_id text not null,
  created_by text not null,
  state text not null check (
    state in ('created', 'connected', 'disconnected', 'ended', 'expired', 'failed')
  ),
  -- Counts towards its owner's active sessions. False while merely minted, and once final.
  holds_place boolean not null default false,
  transport text not null check (transport in ('websocket', 'webrtc')),
  protocol text not null check (protocol in ('ga', 'preview')),
  model text not null,
  voice text,
  -- The client secret this session was minted with or opened by.
  secret_id text,
  -- Parts of the configuration that its client cannot change, separated by commas.
  locked text not null default '',
  -- A WebRTC call: our id, which clients see, and the provider's, which they do not.
  call_id text unique,
  upstream_call_id text,
  upstream_session_id text,
  replica text,
  revision text,
  -- What the replica that holds the session must still do; it clears this when done.
  control text check (control in ('end', 'erase')),
  created_at timestamptz not null default now(),
  connected_at timestamptz,
  disconnected_at timestamptz,
  -- While in the future, a disconnected session keeps its place.
  reconnect_until timestamptz,
  ended_at timestamptz,
  expires_at timestamptz not null,
  upstream_expires_at timestamptz,
  last_activity_at timestamptz,
  erased_at timestamptz,
  close_reason text,
  close_code integer,
  responses bigint not null default 0,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  total_tokens bigint not null default 0,
  input_audio_tokens bigint not null default 0,
  output_audio_tokens bigint not null default 0,
  cached_tokens bigint not null default 0,
  transcription_seconds double precision not null default 0
);
create index sessions_places on sessions (created_by) where holds_place;
create index sessions_by_project on sessions (project_id, id desc) where erased_at is null;
create index sessions_open on sessions (expires_at)
  where state in ('created', 'connected', 'disconnected');
create index sessions_control on sessions (replica) where control is not null;
create index sessions_retained on sessions (ended_at) where erased_at is null;
create index sessions_by_secret on sessions (secret_id) where state = 'created';
