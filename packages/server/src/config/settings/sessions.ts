import { eventParts, httpUrl, integer, projectId, secret, text } from '../kinds.ts';
import { optional, setting } from '../setting.ts';

const MIB = 1024 * 1024;

/** Voice sessions and their recordings. */
export const sessionSettings = {
  HOLDFAST_MAX_ACTIVE_SESSIONS: setting(integer(1, 100_000), '5', {
    description: 'Active sessions that one person may have at the same time.',
  }),
  HOLDFAST_KEY_MAX_ACTIVE_SESSIONS: setting(integer(1, 100_000), '100', {
    description:
      'The same for each API key, where an Admin has not set another limit; never less than a ' +
      'person has.',
  }),
  HOLDFAST_PROJECT_MAX_ACTIVE_SESSIONS: optional(integer(1, 100_000), {
    description:
      'The same for all callers of a project together, where an Admin has not set another limit. ' +
      'Unset: not limited.',
  }),
  HOLDFAST_CLIENT_BYTES_PER_SECOND: setting(integer(64 * 1024, 1024 * MIB), String(MIB), {
    description:
      "Bytes a second that a session's client may send in the long run, four times as many at " +
      'once; each message counts 1,024 besides. One that sends more is read more slowly.',
  }),
  HOLDFAST_RECONNECT_WINDOW: setting(integer(0, 3600), '30', {
    description:
      'Seconds for which a session over a WebSocket goes on without its client, whose line has ' +
      'dropped, and keeps its place. 0: it ends at once.',
  }),
  HOLDFAST_KEPT_OUTPUT_BYTES: setting(integer(MIB, 64 * 1024 * MIB), String(256 * MIB), {
    description:
      'What all sessions of a process together may keep of what their clients have not ' +
      'acknowledged, at most 4 MiB each. Beyond that a client that comes back hears what it lacks.',
  }),
  HOLDFAST_SESSION_DEFAULTS_FILE: optional(text, {
    description:
      'Operator file (JSON): instructions, voice and tools of new sessions. Default: built in.',
    example: './session-defaults.json',
  }),
  HOLDFAST_CONFIGURATION_TIMEOUT: setting(integer(1, 60), '10', {
    description:
      'Seconds for a provider to confirm the configuration of a client secret or operator file. ' +
      'The client is heard only after that; without it the session ends.',
  }),
  HOLDFAST_LOCKED_ALSO_ALLOWED: setting(eventParts, '', {
    description:
      'Events and fields that clients of sessions with locked parts may send besides those of ' +
      'the stock clients. A field ends with `=*` where any JSON may stand, with `=a|b` where ' +
      'these strings may.',
    example: 'session.update:session.audio.input.echo_cancellation.type',
  }),
  OPENAI_WEBHOOK_SECRET: optional(secret(), {
    description:
      "Signing secret of the provider's webhook to `/v1/realtime/webhook`. With it, only " +
      'telephone calls that a signed webhook announced can be accepted.',
  }),
  HOLDFAST_TELEPHONE_PROJECT: optional(projectId, {
    description:
      'The only project whose principals may accept or reject telephone calls. Unset: a ' +
      'Developer of any project who knows the id of a call that rings may.',
    example: 'support',
  }),
  HOLDFAST_WEBHOOK_FORWARD_URL: optional(httpUrl, {
    description: 'Back end that verified webhooks are passed on to, as they came.',
    example: 'https://backend.example/webhooks',
  }),
  HOLDFAST_UPLOAD_MAX_BYTES: setting(integer(1024, 10_240 * MIB), String(100 * MIB), {
    description: 'Largest recording that is accepted, in bytes.',
  }),
  HOLDFAST_PARSERS_MAX: setting(integer(1, 64), '4', {
    description:
      'Recordings that are parsed at once, each in a process of its own; further ones wait.',
  }),
  HOLDFAST_PARSER_MEMORY_MAX_BYTES: setting(integer(64 * MIB, 4096 * MIB), String(256 * MIB), {
    description: 'Memory for objects in which parsing one recording must do, in bytes.',
  }),
  HOLDFAST_RECORDING_BITS_PER_SECOND: setting(integer(6_000, 512_000), '32000', {
    description: 'Bit rate that the console records with.',
  }),
  HOLDFAST_RETENTION_SESSIONS_DAYS: optional(integer(1, 36_500), {
    description: 'Days after which an ended session and its log are erased. Unset: kept.',
    example: '90',
  }),
  HOLDFAST_RETENTION_RECORDINGS_DAYS: optional(integer(1, 36_500), {
    description: 'Days after which a recording is erased. Unset: kept.',
    example: '30',
  }),
};
