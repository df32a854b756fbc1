import type { Run, Task } from '@holdfast/protocol';
import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { agentsQuery } from '../app/run-queries.ts';
import { agentTitle } from './agents.ts';
import { awaitEnding } from './endings.ts';
import { isOver } from './run-states.ts';
import { runStore } from './runs-service.ts';

/** Has the tab report the end of each unfinished run, also on another page. */
export function useAwaitEndings(task: Task, runs: readonly Run[]): void {
  const agents = useQuery(agentsQuery).data?.data ?? [];
  useEffect(() => {
    for (const run of runs) {
      if (isOver(run.status)) continue;
      awaitEnding({
        runId: run.id,
        taskId: task.id,
        messageId: run.message_id,
        agent: agentTitle(agents, run.agent),
        title: task.title,
      });
      // The store follows a run to its end once it was watched.
      runStore.watch(run.id)();
    }
  }, [task, runs, agents]);
}
