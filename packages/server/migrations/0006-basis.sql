-- Where the right came from that a secret was minted, or a session opened, with: the API key or the
-- console session. What it opened ends with it. Null: the local user, or a row from before.
alter table client_secrets add column basis jsonb;
alter table sessions add column basis jsonb;
