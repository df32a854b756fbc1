import type { Client } from '@holdfast/client';
import type { Run } from '@holdfast/protocol';

/** How often and how long the log is polled for the end of a push. */
const LOOK_INTERVAL_MS = 1_000;
const LOOKS_MAX = 30;

export interface PushEnd {
  /** `waiting`: no worker has finished it so far. */
  readonly outcome: 'pushed' | 'already_there' | 'failed' | 'waiting';
  /** Why it failed, where the reader may see that; else ''. */
  readonly message: string;
  /** Set where it was refused because of these files of CI. */
  readonly ciChanges: CiChanges | null;
}

/** The first changed files, and how many there are. */
interface CiChanges {
  readonly files: readonly string[];
  readonly total: number;
}

/** Requests the push of an ended run's branch and waits a bounded time for its end. */
export async function pushBranch(
  runs: Pick<Client['runs'], 'push' | 'events'>,
  run: Pick<Run, 'id' | 'last_seq'>,
  pause: () => Promise<unknown> = () => new Promise(done => setTimeout(done, LOOK_INTERVAL_MS)),
): Promise<PushEnd> {
  await runs.push(run.id);
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const { data } = await runs.events(run.id, { after: run.last_seq });
    const pushes = data.filter(({ type }) => type === 'push.intended' || type === 'push.finished');
    const last = pushes.at(-1);
    if (last?.type === 'push.finished') {
      const { outcome, message, ci_changes } = last.data as {
        outcome: 'pushed';
        message?: string;
        ci_changes?: CiChanges;
      };
      return { outcome, message: message ?? '', ciChanges: ci_changes ?? null };
    }
    await pause();
  }
  return { outcome: 'waiting', message: '', ciChanges: null };
}
