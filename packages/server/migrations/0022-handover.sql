-- Where a replica that drained has left what another one needs to go on with the session; null
-- where nobody has, and once it was taken up.
alter table sessions add column handover_key text;
