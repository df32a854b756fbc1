-- What a key may be used for; null: all that its role permits. Whose right it comes from: a person, by
-- the claims of that source, or the local user (source null). Null throughout for keys from before.
alter table api_keys add column scopes text[];
alter table api_keys add column person_id text;
alter table api_keys add column person_source text;
create index api_keys_by_creator on api_keys (created_by);
