/**
 * The Holdfast SDK for browsers and Node 24: the HTTP API, the log of a session, and a voice
 * session over WebSocket or WebRTC. Nothing here touches a page, a microphone or a disk; the parts
 * that do are in `@holdfast/client/browser`.
 */
export { ApiError, type ApiErrorCode } from './api-error.ts';
export { RETRY_DEFAULT, type RetryPolicy } from './backoff.ts';
export { type Client, type ClientOptions, createClient } from './client.ts';
export { type FollowOptions, followEvents } from './follow-events.ts';
export {
  type Delivery,
  followRun,
  followStream,
  type LineState,
  type StreamOptions,
} from './follow-stream.ts';
export { type Credentials, Http, type HttpOptions, type HttpRequest } from './http.ts';
export {
  KEPT_UPLOADS_MAX,
  type KeptUpload,
  memoryShelf,
  type UploadFailure,
  type UploadShelf,
  Uploads,
  type UploadView,
} from './kept-uploads.ts';
export type { StreamGap } from './positions.ts';
export type * from './types.ts';
export {
  fetchSender,
  type UploadPost,
  type UploadPosted,
  type UploadProgress,
  type UploadRequest,
  type UploadSender,
} from './upload.ts';
export {
  type AudioDevices,
  type AudioInput,
  type AudioOutput,
  FRAME_SAMPLES,
  type PlayedPosition,
  SAMPLE_RATE_HZ,
} from './voice/audio.ts';
export { type ToolTurn, TURNS_MAX, type Turn } from './voice/conversation.ts';
export type { ServerEvent } from './voice/events.ts';
export {
  type Bearer,
  type VoiceEvents,
  type VoiceProblem,
  VoiceSession,
  type VoiceSessionOptions,
  type VoiceSnapshot,
} from './voice/session.ts';
export { VOICE_STATES, type VoiceState } from './voice/state.ts';
export type { AudioSent } from './voice/stats.ts';
export { TOOL_OUTPUT_MAX_CHARS, TOOL_TIMEOUT_MS, type ToolHandler } from './voice/tools.ts';
export type {
  TransportClosed,
  TransportContext,
  TransportHandlers,
  VoiceTransport,
} from './voice/transport.ts';
export type { VoiceUsage } from './voice/usage.ts';
export { type WebRtcLine, webRtcTransport } from './voice/webrtc.ts';
export { type WebSocketLine, webSocketTransport } from './voice/websocket.ts';
