import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkEvent, type NewEvent } from '../../../platform/log/index.ts';
import type { SandboxedProcess } from '../../sandbox/sandbox.ts';
import type { Agent, AgentContext, AgentRun } from '../agent.ts';
import { spawnPlain } from './spawn.ts';

/** A repository, a home and a log for tests of agents. Every event is checked as the log does. */
export const TEST_TOKEN = 'rt_test_0123456789abcdef';

export interface Workbench {
  readonly workspaceDir: string;
  readonly homeDir: string;
  readonly events: readonly NewEvent[];
  readonly processes: readonly SandboxedProcess[];
  start(agent: Agent, context: Partial<AgentContext> & { gatewayUrl: string }): AgentRun;
  types(): string[];
  find(type: string): NewEvent | undefined;
  /** Resolves with the first event, also an earlier one, that `match` accepts. */
  seen(match: (event: NewEvent) => boolean): Promise<NewEvent>;
  close(): void;
}

export function openWorkbench(files: Readonly<Record<string, string>> = {}): Workbench {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-agent-'));
  const workspaceDir = join(root, 'workspace');
  const homeDir = join(root, 'home');
  mkdirSync(workspaceDir);
  mkdirSync(homeDir);
  const git = (...args: string[]) => execFileSync('git', args, { cwd: workspaceDir });
  git('init', '-q', '-b', 'main');
  for (const [path, content] of Object.entries(files)) {
    writeFileSync(join(workspaceDir, path), content);
  }
  const events: NewEvent[] = [];
  const processes: SandboxedProcess[] = [];
  const listeners = new Set<() => void>();
  const emit = (event: NewEvent) => {
    checkEvent(event);
    events.push(event);
    for (const listener of listeners) listener();
  };
  return {
    workspaceDir,
    homeDir,
    events,
    processes,
    start: (agent, context) =>
      agent.start({
        instruction: 'Make the greeting polite.',
        resume: null,
        model: null,
        workspaceDir,
        homeDir,
        token: TEST_TOKEN,
        emit,
        spawn: (command, env) => {
          const process = spawnPlain(command, env, workspaceDir);
          processes.push(process);
          return process;
        },
        ...context,
      }),
    types: () => events.map(({ type }) => type),
    find: type => events.find(event => event.type === type),
    seen: match => seen(events, listeners, match),
    close: () => {
      for (const process of processes) process.kill('SIGKILL');
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function seen(
  events: readonly NewEvent[],
  listeners: Set<() => void>,
  match: (event: NewEvent) => boolean,
): Promise<NewEvent> {
  return new Promise(resolve => {
    const look = () => {
      const event = events.find(match);
      if (event === undefined) return;
      listeners.delete(look);
      resolve(event);
    };
    listeners.add(look);
    look();
  });
}
