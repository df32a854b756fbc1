import { client, queryClient } from '../app/services.ts';
import { reportEnding } from './endings.ts';
import { RunStore } from './run-store.ts';

/** Events that change what the server returns for a run. */
const CHANGES = /^(run\.|patch\.|tests\.|message\.|model\.called)/;
const REFRESH_MS = 400;
const waiting = new Set<string>();

/** Refetches runs and task after a change; many changes cause one request. */
function refresh(): void {
  if (waiting.size > 0) return;
  waiting.add('all');
  setTimeout(() => {
    waiting.clear();
    for (const key of ['task', 'tasks', 'runs', 'run']) {
      void queryClient.invalidateQueries({ queryKey: [key] });
    }
  }, REFRESH_MS);
}

/** Lives as long as the page: the logs of all runs, on one stream. */
export const runStore = new RunStore(client, {
  onEvents: (runId, events) => {
    if (events.some(event => CHANGES.test(event.type))) refresh();
    for (const event of events) reportEnding(runId, event);
  },
});
