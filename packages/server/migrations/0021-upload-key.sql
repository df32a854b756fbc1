-- What tells an upload from others: its bytes and what was said of them. Null in rows from before,
-- where `sha256` alone did. `sha256` is again the digest of what is stored, in all rows; two of a
-- session may have the same.
alter table recordings add column upload_key text;
alter table recordings drop constraint recordings_session_id_audio_type_sha256_key;
update recordings set upload_key = sha256, sha256 = stored_sha256 where stored_sha256 is not null;
alter table recordings add unique (session_id, audio_type, upload_key);
alter table recordings drop column stored_sha256;
