import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { client } from '../app/services.ts';

export interface TaskDraft {
  repo_id: string;
  title: string;
  instruction: string;
  /** None: the task is created without runs. */
  agents: string[];
}

/**
 * Creates a task, starts its runs and goes there. Where the runs could not be started the task is
 * kept (`saved`), and trying again starts them without a second task.
 */
export function useCreateTask() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const created = useRef<string | null>(null);
  const [state, setState] = useState({ busy: false, error: null as unknown, saved: false });
  const create = async (draft: TaskDraft): Promise<boolean> => {
    setState({ busy: true, error: null, saved: created.current !== null });
    try {
      const { agents, ...task } = draft;
      created.current ??= (await client.tasks.create(task)).id;
      const id = created.current;
      if (agents.length > 0) await client.tasks.start(id, { agents });
      created.current = null;
      await queries.invalidateQueries({ queryKey: ['tasks'] });
      setState({ busy: false, error: null, saved: false });
      await navigate({ to: '/tasks/$id', params: { id } });
      return true;
    } catch (error) {
      setState({ busy: false, error, saved: created.current !== null });
      return false;
    }
  };
  return { ...state, create };
}
