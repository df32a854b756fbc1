import { createHash } from 'node:crypto';
import { newId } from '../kernel/index.ts';
import {
  createJournal,
  type Journal,
  type JournalLoss,
  type NewEvent,
} from '../platform/log/index.ts';
import { cutToJsonBytes } from '../work/index.ts';
import { claimRun } from './claim-run.ts';
import {
  type ClaimedRun,
  type ClaimLimits,
  type ClaimResult,
  fenced,
  type NewDiff,
  type NewTests,
  type RunEnd,
  type RunSignals,
  type SettledCall,
  type SignalQuery,
  type WorkspaceFacts,
} from './claimed-run.ts';
import type { DriverDeps } from './deps.ts';
import { finishRun, type InSameTransaction, requeueRun } from './finish-run.ts';
import { signalsOf, wakeLostRuns } from './run-signals.ts';
import * as store from './store.ts';
import type { Checkpoint } from './workspace/workspace.ts';

/** How long an agent's events gather before they are written. */
const JOURNAL_FLUSH_MS = 50;
/** Bytes kept of a test command's output: its end, which names the failures. */
const TEST_OUTPUT_MAX_BYTES = 48 * 1024;
/** Changed files that a run's row names; a larger change is whole in its patch only. */
const FILES_SHOWN_MAX = 1_000;

/**
 * The verbs of the worker that drives a run. Each verb is one transaction that writes the row and
 * appends to the log with the lease's fencing token: a worker that lost its lease gets `conflict`
 * and has written nothing. A verb that fails because the database was away is tried again within
 * `persistMs`, with the same append id, so that nothing is written twice.
 */
export class RunDriver {
  private readonly deps: DriverDeps;

  constructor(deps: DriverDeps) {
    this.deps = deps;
  }

  /**
   * Takes a run that no living worker has. A run that lost too many attempts ends here as
   * `worker_lost`. Throws `not_found` for an unknown run.
   */
  claim(runId: string, limits: ClaimLimits = {}): Promise<ClaimResult> {
    return claimRun(this.deps, runId, limits);
  }

  /** For the agent's events. Flush it before the verbs below, so that the order is kept. */
  journal(run: ClaimedRun, onLost: (loss: JournalLoss) => void): Journal {
    const { log, leases, telemetry } = this.deps;
    return createJournal({
      log,
      subject: run.id,
      actor: `replica:${leases.replica}`,
      fence: run.lease.fence,
      attempt: run.attempt,
      flushMs: JOURNAL_FLUSH_MS,
      telemetry,
      onLost,
    });
  }

  /** Appends without a change of the row, for events that must precede an act. */
  async append(run: ClaimedRun, events: readonly NewEvent[]): Promise<void> {
    await fenced(this.deps, run, async () => events);
  }

  /** `workspace.ready`: where the attempt begins. */
  async workspaceReady(run: ClaimedRun, facts: WorkspaceFacts): Promise<void> {
    const columns = {
      base_commit: facts.baseCommit,
      branch: facts.branch,
      isolated: facts.isolated,
    };
    await fenced(this.deps, run, async trx => {
      await store.updateRun(trx, run.id, columns);
      const data = { agent_version: facts.agentVersion, ...columns };
      return [{ type: 'workspace.ready', data }];
    });
  }

  /** After the manifest's blob is written: `checkpoint.saved`; lost attempts count from zero. */
  async saveCheckpoint(
    run: ClaimedRun,
    checkpoint: Checkpoint,
    agentSessionId: string | null,
  ): Promise<void> {
    const { number, commit, manifestKey, sizeBytes } = checkpoint;
    const id = newId('art');
    await fenced(this.deps, run, async trx => {
      await store.updateRun(trx, run.id, {
        head_commit: commit,
        checkpoint: { number, manifest_key: manifestKey },
        lost_attempts: 0,
        ...(agentSessionId !== null && { agent_session_id: agentSessionId }),
      });
      await store.insertArtifact(trx, {
        id,
        run_id: run.id,
        kind: 'checkpoint',
        blob_key: manifestKey,
        content_type: 'application/json',
        size_bytes: sizeBytes,
        sha256: createHash('sha256').update(JSON.stringify(checkpoint)).digest('hex'),
      });
      return [{ type: 'checkpoint.saved', data: { number, commit, size_bytes: sizeBytes } }];
    });
  }

  /** `patch.created`, with the artifact's row. The newest one counts. */
  async setDiff(run: ClaimedRun, diff: NewDiff): Promise<void> {
    const { headCommit, branch, insertions, deletions, patch } = diff;
    const id = newId('art');
    await fenced(this.deps, run, async trx => {
      await store.updateRun(trx, run.id, {
        head_commit: headCommit,
        branch,
        insertions,
        deletions,
        files_changed: diff.files.slice(0, FILES_SHOWN_MAX),
      });
      const artifactId = await store.insertArtifact(trx, {
        id,
        run_id: run.id,
        kind: 'patch',
        blob_key: patch.blobKey,
        content_type: 'text/x-diff',
        size_bytes: patch.sizeBytes,
        sha256: patch.sha256,
      });
      const data = {
        artifact_id: artifactId,
        commit: headCommit,
        branch,
        files: diff.files.length,
        insertions,
        deletions,
        size_bytes: patch.sizeBytes,
      };
      return [{ type: 'patch.created', data }];
    });
  }

  async setTests(run: ClaimedRun, tests: NewTests): Promise<void> {
    const { phase } = tests;
    const result = { exit_code: tests.exitCode, duration_s: tests.durationS };
    const output = cutToJsonBytes(tests.output, TEST_OUTPUT_MAX_BYTES, 'end');
    await fenced(this.deps, run, async trx => {
      await store.updateRun(
        trx,
        run.id,
        phase === 'before' ? { test_before: result } : { test_after: result },
      );
      return [{ type: 'tests.finished', data: { phase, ...result }, private: { output } }];
    });
  }

  /** `model.called`, and the run's totals. */
  async recordUsage(run: ClaimedRun, call: SettledCall): Promise<void> {
    const { usage } = run;
    usage.model_calls += 1;
    usage.input_tokens += call.inputTokens;
    usage.output_tokens += call.outputTokens;
    usage.cached_tokens += call.cachedTokens;
    if (call.costUsd !== null) usage.cost_usd = (usage.cost_usd ?? 0) + call.costUsd;
    const totals = { ...usage };
    await fenced(this.deps, run, async trx => {
      await store.setUsage(trx, run.id, totals);
      const data = {
        model: call.model,
        input_tokens: call.inputTokens,
        output_tokens: call.outputTokens,
        cached_tokens: call.cachedTokens,
        cost_usd: call.costUsd,
        status: call.status,
      };
      return [{ type: 'model.called', data }];
    });
  }

  /** Gives a run back in a drain: queued again, with a job. Does not count as lost. */
  requeue(run: ClaimedRun, inSameTransaction?: InSameTransaction): Promise<void> {
    return requeueRun(this.deps, run, inSameTransaction);
  }

  /**
   * Ends the run and gives up its lease; starts the follow-up that `steeredThrough` asks for. The
   * same attempt may repeat it; another may not.
   */
  finish(run: ClaimedRun, end: RunEnd, inSameTransaction?: InSameTransaction): Promise<void> {
    return finishRun(this.deps, run, end, inSameTransaction);
  }

  /**
   * Gives up the lease of a run that is neither finished nor requeued, after a failure of ours: the
   * attempt counts as lost, and the next claim need not wait for the lease to expire.
   */
  async abandon(run: ClaimedRun): Promise<void> {
    await this.deps.leases.release(this.deps.database.db, run.lease);
  }

  /** The signals for runs of this worker; call it on each ring of them and each second. */
  signals(runs: readonly SignalQuery[]): Promise<RunSignals[]> {
    return signalsOf(this.deps, runs);
  }

  /**
   * Sends jobs again for runs that no worker drives though they have not ended: the sweep for jobs
   * that were lost. Answers how many.
   */
  wakeLost(): Promise<number> {
    return wakeLostRuns(this.deps);
  }
}
