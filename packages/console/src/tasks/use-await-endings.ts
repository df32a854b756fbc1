import type { Run, Task } from '@holdfast/protocol';
import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { agentsQuery } from '../app/run-queries.ts';
import { agentTitle } from './agents.ts';
import { awaitEnding } from './endings.ts';
import { isOver } from './run-states.ts';
import { runStore } from './runs-service.ts';

/** Lets the tab tell of the end of each run that is still at work, also from another page. */
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
      // Looked at for a moment is followed to the end.
      runStore.watch(run.id)();
    }
  }, [task, runs, agents]);
}
