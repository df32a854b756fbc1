/**
 * Recordings: audio files that people upload to a voice session, and their playback.
 *
 * Invariants:
 * - Only rows in state `complete` are visible, and each has its blob; a row is there before its
 *   blob and after it, so that a crash leaves nothing that the sweep would not find.
 * - What is stored was parsed, and holds audio. What it is and how long it lasts is measured; what
 *   its sender and its header say is kept beside that.
 * - The stored bytes are those that were sent, but for the sizes and the duration that a recorder
 *   had to leave open in its header. Both digests are kept.
 * - Nothing a client sends becomes part of a path.
 * - The creator of the session and Admins read and delete; a client secret uploads to and reads
 *   what it opened; others get the same 404 as for a session that does not exist.
 */
export { createMeasureAudio } from './measure.ts';
export { recordingRoutes } from './routes.ts';
export {
  createRecordings,
  type Recordings,
} from './service.ts';
export { openSpool, type Spool } from './spool.ts';
export { createRecordingSweep } from './sweep.ts';
