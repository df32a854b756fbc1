-- What sessions use by modality, and what it costs.
alter table sessions
  add column input_text_tokens bigint not null default 0,
  add column input_image_tokens bigint not null default 0,
  add column cached_text_tokens bigint not null default 0,
  add column cached_audio_tokens bigint not null default 0,
  add column cached_image_tokens bigint not null default 0,
  add column output_text_tokens bigint not null default 0,
  add column transcription_input_tokens bigint not null default 0,
  add column transcription_output_tokens bigint not null default 0,
  -- The known part of the cost, and the models that have no price.
  add column cost_usd double precision not null default 0,
  add column unpriced text[] not null default '{}',
  -- Responses whose usage was never reported.
  add column unreported integer not null default 0;

-- The response that a voice session may have next.
alter table reservations add column session_id text references sessions (id);
create index reservations_of_session on reservations (session_id) where settled_at is null;
