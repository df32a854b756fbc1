-- How much an API key (`subject` is its id), or all callers of a project together (`project:<id>`), may
-- do at once, where it differs from the settings; null: as they say.
create table limits (
  subject text primary key,
  project_id text not null references projects (id),
  max_sessions integer check (max_sessions > 0),
  requests_per_minute integer check (requests_per_minute > 0),
  request_burst integer check (request_burst > 0),
  updated_by text not null,
  updated_at timestamptz not null default now()
);
create index limits_by_project on limits (project_id);
create index sessions_places_by_project on sessions (project_id) where holds_place;
