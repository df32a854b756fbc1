import type { SessionState } from '@holdfast/protocol';
import { STATES } from '../ui/states.ts';

export interface ListSearch {
  /** Words to search for among the loaded sessions. */
  q?: string | undefined;
  state?: SessionState | undefined;
  mine?: boolean | undefined;
  /** The search field takes the focus. */
  focus?: boolean | undefined;
}

export interface DetailSearch {
  /** `seq` of the event under the cursor. */
  at?: number | undefined;
  table?: boolean | undefined;
}

export interface TasksSearch {
  q?: string | undefined;
  repo?: string | undefined;
  archived?: boolean | undefined;
  focus?: boolean | undefined;
}

export const RUN_TABS = ['log', 'diff', 'tests', 'timeline'] as const;
export type RunTab = (typeof RUN_TABS)[number];

export interface TaskSearch {
  /** The message whose runs are shown; absent: the newest. */
  message?: string | undefined;
  /** One run alone, in the whole width. */
  run?: string | undefined;
  compare?: boolean | undefined;
  /** What is shown of each run, where it is not the log. */
  tabs?: Record<string, RunTab> | undefined;
  /** `seq` of the event under the timeline's cursor. */
  at?: number | undefined;
}

/** Reads an address's query; invalid values are left out. */
export function listSearch(search: Record<string, unknown>): ListSearch {
  return {
    q: typeof search.q === 'string' && search.q !== '' ? search.q : undefined,
    state: STATES.find(state => state === search.state),
    mine: search.mine === true || undefined,
    focus: search.focus === true || undefined,
  };
}

export function detailSearch(search: Record<string, unknown>): DetailSearch {
  const at = Number(search.at);
  return {
    at: Number.isInteger(at) && at > 0 ? at : undefined,
    table: search.table === true || undefined,
  };
}

export function tasksSearch(search: Record<string, unknown>): TasksSearch {
  return {
    q: words(search.q),
    repo: words(search.repo),
    archived: search.archived === true || undefined,
    focus: search.focus === true || undefined,
  };
}

export function taskSearch(search: Record<string, unknown>): TaskSearch {
  return {
    message: words(search.message),
    run: words(search.run),
    compare: search.compare === true || undefined,
    tabs: runTabs(search.tabs),
    at: detailSearch(search).at,
  };
}

function words(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function runTabs(value: unknown): Record<string, RunTab> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const tabs = Object.entries(value).filter(([, tab]) => RUN_TABS.includes(tab) && tab !== 'log');
  return tabs.length === 0 ? undefined : Object.fromEntries(tabs);
}
