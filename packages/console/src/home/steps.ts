import type { Repo, Session, Task } from '@holdfast/protocol';

/** What a server has seen so far, as far as the first steps ask. */
export interface Seen {
  readonly sessions: readonly Session[];
  readonly repos: readonly Repo[];
  readonly tasks: readonly Task[];
}

export const VOICE_STEPS = ['talk', 'see', 'connect'] as const;
export const AGENT_STEPS = ['repo', 'task', 'compare'] as const;
type AgentStep = (typeof AGENT_STEPS)[number];

/** With this many tasks no steps are shown, even if some were left out. */
const TASKS_KNOWN = 3;

export interface FirstStepsShown {
  readonly voice: boolean;
  /** Which steps are done; null: not shown. */
  readonly agents: Readonly<Record<AgentStep, boolean>> | null;
}

/**
 * On a server where nothing has happened both ways to begin are shown. Afterwards only the steps of
 * the way that was taken, and those of voice are over with the first session.
 */
export function firstSteps({ sessions, repos, tasks }: Seen): FirstStepsShown {
  const untouched = sessions.length === 0 && tasks.length === 0;
  const agents = {
    repo: repos.length > 0,
    task: tasks.some(task => runsOf(task) > 0),
    compare: tasks.some(task => runsOf(task) > 1),
  };
  const begun = tasks.length > 0 && tasks.length < TASKS_KNOWN && !agents.compare;
  return { voice: untouched, agents: untouched || begun ? agents : null };
}

function runsOf({ runs }: Task): number {
  return Object.values(runs).reduce((sum, count) => sum + count, 0);
}
