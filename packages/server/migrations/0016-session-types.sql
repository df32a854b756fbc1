-- What a session is for: a conversation, a transcription or a translation. And calls that come by
-- telephone, which the provider announces and takes itself.
alter table sessions add column type text not null default 'realtime'
  check (type in ('realtime', 'transcription', 'translation'));
alter table sessions drop constraint sessions_transport_check;
alter table sessions add constraint sessions_transport_check
  check (transport in ('websocket', 'webrtc', 'sip'));
