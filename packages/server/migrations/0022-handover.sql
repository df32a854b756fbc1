-- Where a replica that let go of the session has left what another one needs to go on with it; null
-- where nobody has, and once it was taken up.
alter table sessions add column handover_key text;
-- Digests of the handles with which the session's client may come back.
alter table sessions add column handles text[] not null default '{}';
-- The client has come to another replica: the one that holds the session shall let go of it.
alter table sessions add column handover_wanted boolean not null default false;
create index sessions_handover_wanted on sessions (replica) where handover_wanted;
