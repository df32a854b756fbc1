-- Telephone calls that the provider has announced with a signature. Only these may be accepted
-- where a webhook secret is set.
create table incoming_calls (
  call_id text primary key,
  announced_at timestamptz not null default now()
);
