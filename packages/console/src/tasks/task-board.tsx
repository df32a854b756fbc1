import type { Repo, Task } from '@holdfast/protocol';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { meQuery } from '../app/queries.ts';
import layout from '../ui/layout.module.css';
import typography from '../ui/typography.module.css';
import styles from './board.module.css';
import { groupTasks } from './board.ts';
import { useMove } from './move-menu.tsx';
import { type Move, mayControl } from './moves.ts';
import { TaskCard } from './task-card.tsx';

/** One column for each state of a task, which follows from its runs or was chosen. */
export function Board(props: {
  tasks: readonly Task[];
  repos: ReadonlyMap<string, Repo>;
  withArchived: boolean;
}) {
  const { t } = useTranslation('tasks');
  const me = useQuery(meQuery).data;
  const columns = groupTasks(props.tasks, props.withArchived);
  const { mutate } = useMove();
  const frame = useRef<HTMLDivElement>(null);
  const [moved, setMoved] = useState<string | null>(null);
  // Moves the focus with a card, or to the board when the card is out of sight.
  const shown = columns.some(({ tasks }) => tasks.some(({ id }) => id === moved));
  const gone = moved !== null && !shown;
  useEffect(() => {
    if (gone) frame.current?.focus({ preventScroll: true });
  }, [gone]);
  const onMove = (task: Task, move: Move) => {
    setMoved(task.id);
    mutate({ task, move });
  };
  return (
    <div className={styles.board} ref={frame} tabIndex={-1}>
      {columns.map(({ column, tasks }) => (
        <section key={column} aria-labelledby={`column-${column}`} data-empty={tasks.length === 0}>
          <h2 id={`column-${column}`}>
            {t(`column.${column}`)}{' '}
            <span className={`${typography.soft} ${typography.num}`}>{tasks.length}</span>
          </h2>
          {tasks.length === 0 ? (
            <p className={styles.empty}>{t(`columnEmpty.${column}`)}</p>
          ) : (
            <ul className={layout.plain}>
              {tasks.map(task => (
                <TaskCard
                  key={task.id}
                  task={task}
                  repo={props.repos.get(task.repo_id)?.name}
                  moved={moved === task.id}
                  onMove={mayControl(me, task) ? to => onMove(task, to) : undefined}
                />
              ))}
            </ul>
          )}
        </section>
      ))}
    </div>
  );
}
