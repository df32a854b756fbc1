import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../packages/simulator/src/main.ts', import.meta.url));

/** The simulated providers as a process of their own, as production would have them. */
export interface SimulatorService {
  readonly url: string;
  /** Adds a fault rule; see the simulator's README. */
  fault(rule: Record<string, unknown>): Promise<void>;
  clearFaults(): Promise<void>;
  /** Changes its behaviour while it runs. */
  behave(patch: Record<string, unknown>): Promise<void>;
  /** Voice sessions so far. */
  sessions(): Promise<Record<string, unknown>[]>;
  /** Calls of text models so far. */
  textCalls(): Promise<{ calls: Record<string, number>; answered: number }>;
  stop(): Promise<void>;
}

export async function startSimulator(
  environment: Record<string, string> = {},
): Promise<SimulatorService> {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const url = await listeningUrl(child);
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${url}/_simulator/${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return (await response.json()) as T;
  };
  return {
    url,
    fault: async rule => void (await call('POST', 'faults', rule)),
    clearFaults: async () => void (await call('DELETE', 'faults')),
    behave: async patch => void (await call('PATCH', 'settings', patch)),
    sessions: async () => (await call<{ data: Record<string, unknown>[] }>('GET', 'sessions')).data,
    textCalls: () => call('GET', 'text'),
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
