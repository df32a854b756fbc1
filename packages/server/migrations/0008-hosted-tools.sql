-- What providers of models may do themselves for a project, by name; no row: nothing.
create table hosted_tools (
  project_id text primary key,
  allowed text[] not null,
  set_by text not null,
  set_at timestamptz not null default now()
);
