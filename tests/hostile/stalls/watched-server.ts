import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Stack, startStack } from '../../e2e/harness/stacks.ts';

const PROBE = new URL('./probe.ts', import.meta.url);

/** What was noted since it was last asked. */
interface Stalls {
  /** The most processor time between two turns of the main loop. */
  readonly longestMs: number;
  /** The most memory that the process had so far. */
  readonly peakMb: number;
}

/** A server whose main thread is measured. */
export interface WatchedServer {
  readonly stack: Stack;
  take(): Promise<Stalls>;
  stop(): Promise<void>;
}

/** The caller stops it. */
export async function startWatchedServer(env: Record<string, string>): Promise<WatchedServer> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-stalls-'));
  const file = join(folder, 'probe');
  const NODE_OPTIONS = `--disable-warning=ExperimentalWarning --import ${PROBE}`;
  const server = { NODE_OPTIONS, STALL_PROBE: file, ...env };
  const stack = await startStack('production', { server });
  let taken = 0;
  let peakMb = 0;
  return {
    stack,
    async take() {
      const text = await readFile(file, 'utf8');
      let longestMs = 0;
      for (const line of text.slice(taken).split('\n')) {
        const [kind, value] = line.split(' ');
        if (kind === 'cpu') longestMs = Math.max(longestMs, Number(value));
        else if (kind === 'memory') peakMb = Number(value);
      }
      taken = text.length;
      return { longestMs, peakMb };
    },
    async stop() {
      await stack.stop();
      await rm(folder, { recursive: true });
    },
  };
}
