-- One row per piece of work, of whatever kind: what every feature must know about it, the head of
-- its log, and its lease. Appends and lease changes lock this row, which is what orders them. The
-- row outlives its log as a tombstone. Room is left on each page so that the frequent updates of
-- `last_seq` stay on it.
create table subjects (
  id text primary key,
  kind text not null,
  project_id text not null,
  created_by text not null,
  last_seq bigint not null default 0,
  fence bigint not null default 0,
  lease_replica text,
  leased_at timestamptz,
  created_at timestamptz not null default now(),
  erased_at timestamptz
) with (fillfactor = 80);
create index subjects_leased on subjects (kind, leased_at) where lease_replica is not null;

-- The log. `data` is json, not jsonb: it is never searched, and jsonb refuses strings that JSON
-- allows (a NUL, half a surrogate pair), so that one odd event from outside could block a log.
-- `created_at` is taken after the subject's row was locked: it never runs against `seq`.
create table events (
  subject text not null references subjects (id),
  seq bigint not null,
  append_id uuid not null,
  ordinal integer not null,
  type text not null,
  v integer not null,
  actor text not null,
  attempt integer,
  trace_id text,
  data json not null,
  private_key_id text,
  private_data bytea,
  created_at timestamptz not null default clock_timestamp(),
  primary key (subject, seq),
  unique (append_id, ordinal, subject),
  check ((private_key_id is null) = (private_data is null))
);

-- Heartbeats: one row per server process. A lease is alive as long as its holder's row is.
create table replicas (
  id text primary key,
  revision text not null,
  roles text not null,
  address text,
  started_at timestamptz not null,
  beat_at timestamptz not null,
  created_at timestamptz not null default now()
) with (fillfactor = 50);
create index replicas_by_beat on replicas (beat_at);

-- Data keys, each wrapped by the master key named beside it. An erased key leaves its row, so that
-- no later write can make the subject a new one.
create table subject_keys (
  subject text primary key,
  key_id text not null unique,
  master_key_id text,
  wrapped bytea,
  created_at timestamptz not null default now(),
  erased_at timestamptz,
  check ((erased_at is null) = (wrapped is not null)),
  check ((master_key_id is null) = (wrapped is null))
);
create index subject_keys_by_master on subject_keys (master_key_id) where wrapped is not null;
