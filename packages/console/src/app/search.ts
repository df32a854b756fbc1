import type { SessionState } from '@holdfast/protocol';
import { STATES } from '../ui/states.ts';

export interface ListSearch {
  /** Words looked for among the sessions that are loaded. */
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

/** Reads an address's query; what makes no sense is left out. */
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
