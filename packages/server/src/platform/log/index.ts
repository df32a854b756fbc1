/**
 * The log: an ordered, append-only list of events per piece of work, the truth that all readers
 * resume from. `log.ts` is the port, `create-log.ts` the implementation on SQL (the same on both
 * databases), `journal.ts` the bounded asynchronous appender for paths that must not wait.
 *
 * Invariants: `seq` is 1, 2, 3… per subject without holes, and readers see committed events only,
 * in that order. The subject's row lock orders appends; the append id makes a retry harmless; the
 * fence keeps a former driver from writing. Notifications carry no facts and may be lost.
 *
 * Tables: `subjects` (without its lease columns) and `events`.
 */
export { checkEvent } from './check-event.ts';
export { createLog } from './create-log.ts';
export {
  createJournal,
  type Journal,
  type JournalLoss,
} from './journal.ts';
export * from './log.ts';
