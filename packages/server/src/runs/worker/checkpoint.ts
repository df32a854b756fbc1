import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { putSealed } from '../../platform/blobs/index.ts';
import type { ClaimedRun } from '../claimed-run.ts';
import type { KeptHome, Snapshot } from '../workspace/workspace.ts';
import type { AgentProcess } from './agent-process.ts';
import type { WorkerDeps, WorkerLimits } from './deps.ts';
import type { RunEnvironment } from './run-environment.ts';

/** The largest patch that is stored; the workspace has a bound of its own. */
const PATCH_MAX_BYTES = 64 * 1024 * 1024;

/**
 * Takes the agent's work out of the sandbox, compares it with the base, and stores the patch. Every
 * attempt that ends does so; the newest patch counts.
 */
export async function deliverPatch(
  deps: WorkerDeps,
  run: ClaimedRun,
  { workspace, mounts }: RunEnvironment,
): Promise<void> {
  const snapshot = await workspace.snapshot(deps.sandbox, mounts);
  const diff = await workspace.diff(snapshot.commit);
  const key = `artifacts/${run.id}/${run.attempt}-${snapshot.commit.slice(0, 12)}.diff`;
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
  const storing = putSealed(deps, { subject: run.id, key }, body, options).catch((error: Error) => {
    // Without a reader, git would wait for ever with its output.
    body.destroy(error);
    throw error;
  });
  const [stored] = await Promise.all([storing, pipeline(source, hashed, body)]);
  await deps.driver.setDiff(run, {
    ...diff,
    headCommit: snapshot.commit,
    branch: workspace.branch,
    patch: { blobKey: stored.key, sizeBytes: stored.sizeBytes, sha256: hash.digest('hex') },
  });
}

/**
 * Saves the state that another worker resumes from, unless nothing has changed since the last time.
 * The agent works on during the check for changes; it is halted only while home and files are
 * taken.
 */
export async function saveCheckpoint(
  deps: WorkerDeps,
  run: ClaimedRun,
  { workspace, mounts }: RunEnvironment,
  state: {
    readonly number: number;
    readonly agentSessionId: string | null;
    /** Also where nothing has changed. */
    readonly force: boolean;
    readonly agent: Pick<AgentProcess, 'pause' | 'resume'> | undefined;
  },
): Promise<boolean> {
  const { number, agentSessionId, force, agent } = state;
  if (!force && !(await workspace.snapshot(deps.sandbox, mounts)).changed) return false;
  let home: KeptHome | undefined;
  try {
    let snapshot: Snapshot;
    try {
      agent?.pause();
      // The home first: a signal reaches the agent a little later, and a process that left its
      // group not at all. Files that are newer than the agent's session are found by it and do no
      // harm; a session that knows of work which the files lack would leave that work undone.
      home = await workspace.keepHome();
      snapshot = await workspace.snapshot(deps.sandbox, mounts);
    } finally {
      agent?.resume();
    }
    const checkpoint = await workspace.saveCheckpoint(number, snapshot, home);
    await deps.driver.saveCheckpoint(run, checkpoint, agentSessionId);
    return true;
  } finally {
    await home?.drop();
  }
}

/**
 * Decides when a checkpoint is due: at the end of a tool's use, but not more often than
 * `checkpointMinMs`; and `checkpointMaxMs` after the last one while the agent emits events at all.
 * One at a time; events during one are considered after it.
 */
export class Checkpointer {
  readonly #limits: Pick<WorkerLimits, 'checkpointMinMs' | 'checkpointMaxMs'>;
  readonly #save: () => Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #savedMs = performance.now();
  #active = false;
  #boundary = false;
  #saving: Promise<void> | undefined;

  /** `save` must not reject. */
  constructor(
    limits: Pick<WorkerLimits, 'checkpointMinMs' | 'checkpointMaxMs'>,
    save: () => Promise<void>,
  ) {
    this.#limits = limits;
    this.#save = save;
    const intervalMs = Math.min(1_000, limits.checkpointMinMs, limits.checkpointMaxMs);
    this.#timer = setInterval(() => this.#look(), intervalMs);
    this.#timer.unref();
  }

  /** The agent emitted an event. `boundary`: a tool is done, so files may have changed. */
  noticed(boundary: boolean): void {
    this.#active = true;
    this.#boundary ||= boundary;
    if (boundary) this.#look();
  }

  /** No further checkpoint begins; resolves when one under way has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#active = false;
    await this.#saving;
  }

  #look(): void {
    if (this.#saving !== undefined || !this.#active) return;
    const sinceMs = performance.now() - this.#savedMs;
    const dueMs = this.#boundary ? this.#limits.checkpointMinMs : this.#limits.checkpointMaxMs;
    if (sinceMs < dueMs) return;
    this.#active = false;
    this.#boundary = false;
    this.#saving = this.#save().finally(() => {
      this.#saving = undefined;
      this.#savedMs = performance.now();
    });
  }
}
