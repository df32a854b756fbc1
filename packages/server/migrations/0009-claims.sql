-- The roles of the newest claims about a person, by where they came from: the console's sign-in, or
-- tokens of one client. What is open by older claims ends when newer ones give less.
create table claimed_roles (
  principal_id text not null,
  source text not null,
  roles jsonb not null,
  claimed_at timestamptz not null,
  primary key (principal_id, source)
);

-- Roles of a sign-in hold until `roles_until` and are then read again with the refresh token, which
-- is sealed. Without one the session ends then. `renewing_until`: a process does so until then at
-- most. All null in local mode, and for sign-ins from before.
alter table console_sessions add column roles_until timestamptz;
alter table console_sessions add column renewing_until timestamptz;
alter table console_sessions add column refresh_key_id text;
alter table console_sessions add column refresh_data bytea;
