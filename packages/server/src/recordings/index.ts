/**
 * Recordings: audio files that people upload to a voice session, and their playback.
 *
 * Invariants:
 * - Only rows in state `complete` are visible, and each has its blob; a row is there before its
 *   blob and after it, so that a crash leaves nothing that the sweep would not find.
 * - What is stored was parsed: its container and duration are those that were declared.
 * - Nothing a client sends becomes part of a path.
 * - The creator of the session and Admins read and delete; others get the same 404 as for a
 *   session that does not exist.
 */
export { createMeasureAudio } from './measure.ts';
export { recordingRoutes } from './routes.ts';
export {
  createRecordings,
  type Recordings,
} from './service.ts';
export { openSpool, type Spool } from './spool.ts';
export { createRecordingSweep } from './sweep.ts';
