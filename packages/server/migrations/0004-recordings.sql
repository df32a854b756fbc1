-- One row per uploaded audio file. A row is `pending` from before its blob is written until the
-- blob is whole, and `deleting` until its blob is gone; only `complete` rows are ever shown.
create table recordings (
  id text primary key,
  session_id text not null references subjects (id),
  audio_type text not null,
  state text not null check (state in ('pending', 'complete', 'deleting')),
  blob_key text not null unique,
  content_type text not null,
  size_bytes bigint not null,
  sha256 text not null,
  metadata jsonb not null,
  private_key_id text,
  private_data bytea,
  container text not null,
  codec text not null,
  duration_s double precision not null,
  sample_rate integer not null,
  channels integer not null,
  uploaded_by text not null,
  created_at timestamptz not null default now(),
  completed_at timestamptz,
  last_accessed timestamptz,
  -- While in the future, a pending row waits for storage to have room and the sweep leaves it.
  kept_until timestamptz,
  -- The same bytes sent again for the same purpose are the same recording: uploads may be retried.
  unique (session_id, audio_type, sha256)
);
create index recordings_by_session on recordings (session_id, created_at, id) where state = 'complete';
create index recordings_pending on recordings (created_at) where state <> 'complete';
create index recordings_by_age on recordings (completed_at) where state = 'complete';
