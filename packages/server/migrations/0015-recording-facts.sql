-- `sha256` tells an upload from others: its bytes and what was said of them. What is stored may have a
-- duration that the recorder had left open; null where both digests are `sha256`.
alter table recordings add column stored_sha256 text;
alter table recordings add column sent_sha256 text;
-- What the file's header said, and whether the file ends before it should.
alter table recordings add column header_duration_s double precision;
alter table recordings add column truncated boolean not null default false;
-- Until when a client secret is good for what it opened, after it has expired.
alter table client_secrets add column opened_until timestamptz;
-- What the seeds' clients call their user: a label that nothing is decided by.
alter table sessions add column label text;
