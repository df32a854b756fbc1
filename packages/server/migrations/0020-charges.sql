-- What a voice session used is charged once, however often its settlement is tried.
alter table reservations add column charge_id text;
create unique index reservations_by_charge on reservations (charge_id) where charge_id is not null;
