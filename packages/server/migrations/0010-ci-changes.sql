-- Whether branches of runs may be pushed that change what the remote's CI runs.
alter table repositories add column allow_ci_changes boolean not null default false;
