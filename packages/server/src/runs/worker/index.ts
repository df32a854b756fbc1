/**
 * The worker: what drives agent runs in processes with the role `worker`. `worker.ts` takes jobs,
 * `attempt.ts` is one attempt of one run.
 *
 * Invariants: at most one attempt writes to a run, though others may still work on it; what an
 * agent made is kept however the run ends; nothing of an attempt (process, clone, socket, token) is
 * left when it is over.
 */

export { defaultWorkerLimits } from './limits.ts';
export { RunWorker } from './worker.ts';
