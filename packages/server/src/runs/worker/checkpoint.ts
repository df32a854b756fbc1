import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { HeldRun } from '../claimed-run.ts';
import type { SandboxMounts } from '../sandbox/sandbox.ts';
import type { CheckpointManifest, Snapshot, Workspace } from '../workspace/workspace.ts';
import type { AgentProcess } from './agent-process.ts';
import type { WorkerDeps } from './deps.ts';

/** The largest patch that is stored; the workspace bounds it besides. */
export const PATCH_MAX_BYTES = 64 * 1024 * 1024;

/** What is left of a run's work besides its files. */
export interface Place {
  readonly workspace: Workspace;
  readonly mounts: SandboxMounts;
}

/**
 * Takes what the agent made into the mirror, compares it with the base, and stores the patch; the
 * same again for every attempt that ends, the newest counts.
 */
export async function deliverPatch(
  deps: WorkerDeps,
  run: HeldRun,
  { workspace, mounts }: Place,
): Promise<Snapshot> {
  const snapshot = await workspace.snapshot(deps.sandbox, mounts);
  const diff = await workspace.diff(snapshot.commit);
  const blobKey = `artifacts/${run.id}/${run.attempt}-${snapshot.commit.slice(0, 12)}.diff`;
  const hash = createHash('sha256');
  const body = new PassThrough();
  const hashed = async function* (source: AsyncIterable<Buffer>) {
    for await (const chunk of source) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const source = await workspace.patch(snapshot.commit);
  const options = { contentType: 'text/x-diff', maxBytes: PATCH_MAX_BYTES };
  const storing = deps.blobs.put(blobKey, body, options).catch((error: Error) => {
    // Whoever makes the patch must not wait for a reader that is gone.
    body.destroy(error);
    throw error;
  });
  const [{ sizeBytes }] = await Promise.all([storing, pipeline(source, hashed, body)]);
  const patch = { blobKey, sizeBytes, sha256: hash.digest('hex') };
  const { branch } = workspace;
  await deps.driver.setDiff(run, { ...diff, headCommit: snapshot.commit, branch, patch });
  return snapshot;
}

/** Saves what another worker needs to go on, unless nothing has changed since the last time. */
export async function saveCheckpoint(
  deps: WorkerDeps,
  run: HeldRun,
  { workspace, mounts }: Place,
  state: {
    readonly number: number;
    readonly agentSessionId: string | null;
    /** Also where nothing has changed. */
    readonly force: boolean;
    readonly agent: PausableAgent | undefined;
  },
): Promise<boolean> {
  const { number, agentSessionId, force, agent } = state;
  const taken = await standingStill(agent, async () => {
    const snapshot = await workspace.snapshot(deps.sandbox, mounts);
    return snapshot.changed || force ? { snapshot, home: await workspace.keepHome() } : null;
  });
  if (taken === null) return false;
  const { snapshot, home } = taken;
  try {
    const manifest = await workspace.saveCheckpoint(number, snapshot, home);
    await noteCheckpoint(deps, run, { manifest, number, agentSessionId });
    return true;
  } finally {
    await home.drop();
  }
}

type PausableAgent = Pick<AgentProcess, 'pause' | 'resume'>;

/** For what must belong together: nothing changes while it is taken. */
async function standingStill<T>(
  agent: PausableAgent | undefined,
  take: () => Promise<T>,
): Promise<T> {
  try {
    agent?.pause();
    return await take();
  } finally {
    agent?.resume();
  }
}

async function noteCheckpoint(
  deps: WorkerDeps,
  run: HeldRun,
  saved: { manifest: CheckpointManifest; number: number; agentSessionId: string | null },
): Promise<void> {
  const { manifest, number, agentSessionId } = saved;
  await deps.driver.saveCheckpointRow(run, {
    number,
    commit: manifest.commit,
    manifestKey: manifest.manifestKey ?? '',
    sha256: createHash('sha256').update(JSON.stringify(manifest)).digest('hex'),
    sizeBytes: manifest.sizeBytes,
    agentSessionId,
  });
}
