-- The hash of a second secret of a signed-in browser, which its pages keep to their origin and send
-- in a header: cookies are shown to every port of a host. Null: a sign-in from before.
alter table console_sessions add column page_hash text;
