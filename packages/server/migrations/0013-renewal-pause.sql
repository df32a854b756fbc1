-- Until `renewing_until` no process renews the session, because the identity provider did not answer.
alter table console_sessions add column renewal_paused boolean not null default false;
