/**
 * What every kind of work shares and that names none: the worker's loop, writes under a lease,
 * sweeps, streams, access to rows, idempotent requests, pages of lists, texts that fit an event.
 * Features import this folder; it imports none of them.
 */
export {
  type AuditDeps,
  authorizeRow,
  authorizeTarget,
  type Caller,
  readEvents,
  recordAdmin,
  seesPrivate,
  targetOf,
} from './access.ts';
export { boundedText, cutToJsonBytes, TEXT_MAX_BYTES } from './bounded-text.ts';
export { createWork, type Work } from './create-work.ts';
export { eraseAgain } from './erase-again.ts';
export { addEventsRoute } from './event-routes.ts';
export { appendFenced, fencedWrite, persist } from './fenced-write.ts';
export { withIdempotency } from './idempotency.ts';
export type { Kind } from './kinds.ts';
export { cursorId, cursorNumber, cursorOf, type Page, pageOf } from './paging.ts';
export { type App, callerOf, creatorOf, IDEMPOTENT, idParams } from './requests.ts';
export { eachOf, Sweep } from './sweep.ts';
export { WAKE_BATCH, type WorkAttempt, Worker, wakeLost } from './worker.ts';
