/**
 * Agent runs: repositories, tasks, messages, runs, their log as a stream, and their artifacts.
 *
 * Invariants:
 * - A run's row, its first event and its job are written in one transaction. The row with its
 *   attempt and the lease's fence is the truth; the job is only a wake-up.
 * - The worker that drives a run writes through `RunDriver`, each time with its fence: a worker
 *   that lost its lease changes nothing. Requests of people (cancel, message, pick, push) and the
 *   end of a push carry no fence: the lock of the run's row decides them.
 * - An ended run never moves again; its stream is over with one of three endings.
 * - Instructions, outputs and summaries are sealed: only the creator and Admins read them.
 */
export {
  type Agent,
  createAgents,
  loadAgentProfiles,
} from './agents/index.ts';
export type { ClaimedRun, NewDiff } from './claimed-run.ts';
export type { RunsDeps } from './deps.ts';
export { createEgress } from './egress/index.ts';
export { createRuns, type Runs } from './feature.ts';
export { RUN_KIND } from './run.ts';
export { createSandbox, type Sandbox } from './sandbox/index.ts';
export { pinRemote } from './tasks/repository-source.ts';
export { createSample } from './tasks/sample.ts';
export { defaultWorkerLimits } from './worker/deps.ts';
export { RunWorker } from './worker/worker.ts';
export { createWorkspaces, enforceLifecycle, type Workspaces } from './workspace/index.ts';
