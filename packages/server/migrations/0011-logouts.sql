-- The identity provider's id of a sign-in, by which it can end it (back-channel logout).
alter table console_sessions add column provider_sid text;
create index console_sessions_by_person on console_sessions (principal_id);
create index console_sessions_by_sid on console_sessions (provider_sid)
  where provider_sid is not null;

-- When the identity provider has ended all of a person's sign-ins: tokens from before are refused.
-- Rows go once no such token can be valid.
create table logouts (
  principal_id text primary key,
  at timestamptz not null
);
create index logouts_by_age on logouts (at);

-- Logout tokens that were used, so that none is used twice.
create table logout_tokens (
  jti_hash text primary key,
  expires_at timestamptz not null
);
create index logout_tokens_by_expiry on logout_tokens (expires_at);
