import type { Repo, Task } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { groupTasks } from './board.ts';
import { TaskCard } from './task-card.tsx';

/** One column for each place that a task can be in. Where it is follows from its runs. */
export function Board(props: {
  tasks: readonly Task[];
  repos: ReadonlyMap<string, Repo>;
  withArchived: boolean;
}) {
  const { t } = useTranslation('tasks');
  return (
    <div className="hf-board">
      {groupTasks(props.tasks, props.withArchived).map(({ column, tasks }) => (
        <section key={column} aria-labelledby={`column-${column}`} data-empty={tasks.length === 0}>
          <h2 id={`column-${column}`}>
            {t(`column.${column}`)} <span className="hf-soft hf-num">{tasks.length}</span>
          </h2>
          {tasks.length === 0 ? (
            <p className="hf-board-empty">{t(`columnEmpty.${column}`)}</p>
          ) : (
            <ul className="hf-plain">
              {tasks.map(task => (
                <TaskCard key={task.id} task={task} repo={props.repos.get(task.repo_id)?.name} />
              ))}
            </ul>
          )}
        </section>
      ))}
    </div>
  );
}
