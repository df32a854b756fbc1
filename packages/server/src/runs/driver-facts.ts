import { newId } from '../kernel/index.ts';
import type { NewEvent } from '../platform/log/index.ts';
import { cutToJsonBytes } from '../work/index.ts';
import type {
  HeldRun,
  NewCheckpoint,
  NewDiff,
  NewTests,
  SettledCall,
  WorkspaceFacts,
} from './claimed-run.ts';
import { fenced } from './fenced.ts';
import type { DriverDeps } from './run-driver.ts';
import * as store from './store.ts';

/** What is kept of the output of a test command; its end says what failed. */
export const TEST_OUTPUT_MAX_BYTES = 48 * 1024;
/** Changed files that a run's row names; a larger change is whole in its patch only. */
export const FILES_SHOWN_MAX = 1_000;

export async function workspaceReady(
  deps: DriverDeps,
  run: HeldRun,
  facts: WorkspaceFacts,
): Promise<void> {
  const { agentVersion: agent_version, baseCommit, branch, isolated } = facts;
  const data = { agent_version, base_commit: baseCommit, branch, isolated };
  await fenced(deps, run, async trx => {
    await store.setFacts(trx, run.id, { baseCommit, branch, isolated });
    return [{ type: 'workspace.ready', data }];
  });
}

export async function append(
  deps: DriverDeps,
  run: HeldRun,
  events: readonly NewEvent[],
): Promise<void> {
  await fenced(deps, run, async () => events);
}

export async function saveCheckpoint(
  deps: DriverDeps,
  run: HeldRun,
  checkpoint: NewCheckpoint,
): Promise<void> {
  const { number, commit, manifestKey, sha256, sizeBytes, agentSessionId } = checkpoint;
  const id = newId('art');
  await fenced(deps, run, async trx => {
    await store.setFacts(trx, run.id, {
      headCommit: commit,
      checkpoint: {
        number,
        commit,
        manifest_key: manifestKey,
        agent_session_id: agentSessionId,
      },
      ...(agentSessionId !== null && { agentSessionId }),
    });
    await store.insertArtifact(trx, {
      id,
      runId: run.id,
      kind: 'checkpoint',
      blobKey: manifestKey,
      contentType: 'application/json',
      sizeBytes,
      sha256,
    });
    return [{ type: 'checkpoint.saved', data: { number, commit, size_bytes: sizeBytes } }];
  });
}

export async function setDiff(deps: DriverDeps, run: HeldRun, diff: NewDiff): Promise<void> {
  const { headCommit, branch, insertions, deletions, patch } = diff;
  const id = newId('art');
  await fenced(deps, run, async trx => {
    await store.setFacts(trx, run.id, {
      headCommit,
      branch,
      insertions,
      deletions,
      files: diff.files.slice(0, FILES_SHOWN_MAX),
    });
    const artifactId = await store.insertArtifact(trx, {
      id,
      runId: run.id,
      kind: 'patch',
      contentType: 'text/x-diff',
      ...patch,
    });
    return [patchEvent(diff, artifactId)];
  });
}

function patchEvent(diff: NewDiff, artifactId: string): NewEvent {
  return {
    type: 'patch.created',
    data: {
      artifact_id: artifactId,
      commit: diff.headCommit,
      branch: diff.branch,
      files: diff.files.length,
      insertions: diff.insertions,
      deletions: diff.deletions,
      size_bytes: diff.patch.sizeBytes,
    },
  };
}

export async function setTests(deps: DriverDeps, run: HeldRun, tests: NewTests): Promise<void> {
  const { phase, exitCode: exit_code, durationS: duration_s } = tests;
  const result = { exit_code, duration_s };
  const output = cutToJsonBytes(tests.output, TEST_OUTPUT_MAX_BYTES, 'end');
  await fenced(deps, run, async trx => {
    await store.setFacts(
      trx,
      run.id,
      phase === 'before' ? { testBefore: result } : { testAfter: result },
    );
    return [{ type: 'tests.finished', data: { phase, ...result }, private: { output } }];
  });
}

export async function recordUsage(
  deps: DriverDeps,
  run: HeldRun,
  call: SettledCall,
): Promise<void> {
  const { usage } = run;
  usage.calls += 1;
  usage.inputTokens += call.inputTokens;
  usage.outputTokens += call.outputTokens;
  usage.cachedTokens += call.cachedTokens;
  if (call.costUsd !== null) usage.costUsd = (usage.costUsd ?? 0) + call.costUsd;
  const totals = { ...usage };
  await fenced(deps, run, async trx => {
    await store.setUsage(trx, run.id, totals);
    return [
      {
        type: 'model.called',
        data: {
          model: call.model,
          input_tokens: call.inputTokens,
          output_tokens: call.outputTokens,
          cached_tokens: call.cachedTokens,
          cost_usd: call.costUsd,
          status: call.status,
        },
      },
    ];
  });
}
