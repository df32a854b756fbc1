import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../../simulator/src/main.ts', import.meta.url));

/** The simulated providers as a process of their own, as production would have them. */
export interface ModelSimulator {
  readonly url: string;
  /** Adds a fault rule for text routes; see the simulator's README. */
  fault(rule: Record<string, unknown>): Promise<void>;
  /** Calls and tokens so far. */
  counters(): Promise<{ calls: Record<string, number>; answered: number }>;
  stop(): Promise<void>;
}

export async function startModelSimulator(
  environment: Record<string, string> = {},
): Promise<ModelSimulator> {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const url = await listeningUrl(child);
  return {
    url,
    async fault(rule) {
      const body = JSON.stringify({ routes: ['text'], ...rule });
      const answer = await fetch(`${url}/_simulator/faults`, { method: 'POST', body });
      if (!answer.ok) throw new Error(await answer.text());
    },
    async counters() {
      const answer = await fetch(`${url}/_simulator/text`);
      return (await answer.json()) as { calls: Record<string, number>; answered: number };
    },
    async stop() {
      const exited = once(child, 'exit');
      child.stdin!.end();
      await exited;
    },
  };
}

async function listeningUrl(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const { event, url } = JSON.parse(line) as { event: string; url: string };
    if (event === 'listening') return url;
  }
  throw new Error('The simulator ended before it listened.');
}
