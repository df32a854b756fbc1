/**
 * Every bound of the simulator in one place. Each protects the process from a peer that sends too
 * much, too fast or for ever; none is part of the protocol, except where the comment states it.
 */

/** The protocol allows 15 MiB of base64 in one append; the rest is room for the event around it. */
export const MAX_MESSAGE_BYTES = 20 * 1024 * 1024;
/** Protocol limit on one `input_audio_buffer.append` (base64 text). */
export const MAX_APPEND_BASE64_BYTES = 15 * 1024 * 1024;
/** Uncommitted audio of one session: about 11 minutes of 24 kHz PCM16. */
export const MAX_INPUT_BUFFER_SAMPLES = 16 * 1024 * 1024;
/** Speech that never pauses is committed after this long. */
export const MAX_UTTERANCE_MS = 300_000;
/** Echoed speech is cut to this length. */
export const MAX_REPLY_MS = 60_000;
/** Audio of user items kept for echo and `conversation.item.retrieve`, per session. */
export const MAX_KEPT_AUDIO_SAMPLES = 8 * 1024 * 1024;
/** Conversation items kept per session; the oldest fall out, as with `truncation: auto`. */
export const MAX_ITEMS = 2_000;
/** Output waiting for a slow reader before generation pauses. */
export const SEND_HIGH_WATER_BYTES = 1024 * 1024;
/** Output waiting for a slow reader before the connection is dropped. */
export const MAX_SEND_BACKLOG_BYTES = 32 * 1024 * 1024;
/** How long generation waits before it looks again whether a slow reader has caught up. */
export const BACKLOG_POLL_MS = 20;
/** Open sessions of either transport. */
export const MAX_OPEN_SESSIONS = 2_000;
/** Ended sessions that `/_simulator/sessions` still shows. */
export const MAX_ENDED_SESSIONS = 1_000;
/** Open WebRTC calls. The Opus codec's fixed heap holds about 78 codec pairs. */
export const MAX_OPEN_CALLS = 32;
/** Sideband connections per call. */
export const MAX_SIDEBANDS = 8;
/** A call whose peer connection is not up by then is given up. */
export const CALL_SETUP_TIMEOUT_MS = 30_000;
/** Events held back while a data channel is opening. */
export const MAX_QUEUED_CHANNEL_EVENTS = 1_000;
/** Audio queued for playing on a media track. */
export const MAX_PLAYOUT_MS = 120_000;
/** Live client secrets; the oldest fall out. */
export const MAX_CLIENT_SECRETS = 10_000;
/** Body of a JSON or multipart request. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** Body of a text model's request: whole conversations, with the files that were read. */
export const MAX_TEXT_BODY_BYTES = 32 * 1024 * 1024;
/** Output items and responses that a later request of the Responses API may refer to. */
export const MAX_KEPT_ITEMS = 10_000;
/** Active fault rules. */
export const MAX_FAULT_RULES = 100;
/** 20 ms loudness values kept per session: one hour. */
export const MAX_ENVELOPE_VALUES = 180_000;
/** Different client event types counted by name per session; the rest count as `other`. */
export const MAX_COUNTED_TYPES = 100;
/** Requests left unanswered on purpose; beyond that the oldest is cut off. */
export const MAX_HUNG_REQUESTS = 100;
/** A request's headers and body must be here by then. */
export const REQUEST_TIMEOUT_MS = 30_000;
