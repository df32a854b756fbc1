/**
 * Agent runs: repositories, tasks, messages, runs, their log as a stream, and what they leave.
 *
 * Invariants:
 * - A run's row, its first event and its job are written in one transaction. The row with its
 *   attempt and the lease's fence is the truth; the job is only a wake-up.
 * - Whoever drives a run writes through `RunDriver`, each time with its fence. A worker that lost
 *   its lease changes nothing.
 * - An ended run never moves again; its stream is over with one of three endings.
 * - Instructions, outputs and summaries are sealed: creator and Admins read them, nobody else.
 */
export {
  type Agent,
  createAgents,
  loadAgentProfiles,
} from './agents/index.ts';
export type {
  ClaimLimits,
  ClaimResult,
  ContinuedRun,
  HeldRun,
  NewCheckpoint,
  NewDiff,
  NewTests,
  RunEnd,
  RunOrder,
  SettledCall,
  WorkspaceFacts,
} from './claimed-run.ts';
export { createOutbound, type Outbound } from './egress/index.ts';
export { createRuns, type Runs, type RunsDeps } from './feature.ts';
export { RUN_KIND } from './kind.ts';
export { LOST_ATTEMPTS_MAX } from './run.ts';
export { createRunDriver, type DriverDeps, type RunDriver } from './run-driver.ts';
export type { OrderQuery } from './run-signals.ts';
export { createSandbox, type Sandbox } from './sandbox/index.ts';
export type { RunsService } from './service.ts';
export type { StoredCheckpoint } from './tables.ts';
export type { Repos } from './tasks/repos.ts';
export { pinRemote } from './tasks/repository-source.ts';
export { createSample, SAMPLE_NAME } from './tasks/sample/index.ts';
export type { Tasks } from './tasks/tasks.ts';
export { defaultWorkerLimits, RunWorker, type WorkerLimits } from './worker/index.ts';
export { createWorkspaces, enforceLifecycle, type Workspaces } from './workspace/index.ts';
