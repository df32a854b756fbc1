import type { Task } from '@holdfast/protocol';
import { Menu } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { useTranslation } from 'react-i18next';
import { client } from '../app/services.ts';
import { useNotify } from '../ui/use-notify.tsx';
import { type Move, movesOf } from './moves.ts';

/** The columns that a task can be moved to, for mouse and keys alike. `children` opens it. */
export function MoveMenu(props: {
  task: Task;
  onMove: (move: Move) => void;
  children: ReactElement;
}) {
  const { t } = useTranslation('tasks');
  return (
    <Menu position="bottom-end" shadow="md" withInitialFocusPlaceholder={false}>
      <Menu.Target>{props.children}</Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t('move.to')}</Menu.Label>
        {movesOf(props.task).map(move => (
          <Menu.Item key={move.to} onClick={() => props.onMove(move)}>
            {t(`column.${move.to}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

/** Moves a task at once, without asking, because it can be moved back. */
export function useMove() {
  const { t } = useTranslation('tasks');
  const queries = useQueryClient();
  const notify = useNotify();
  return useMutation({
    mutationFn: ({ task, move }: { task: Task; move: Move }) =>
      client.tasks.update(task.id, { column: move.column }),
    onSuccess: async (_, { task, move }) => {
      notify.done(t('move.done', { title: task.title, column: t(`column.${move.to}`) }));
      await queries.invalidateQueries({ queryKey: ['task', task.id] });
      await queries.invalidateQueries({ queryKey: ['tasks'] });
    },
    onError: notify.failed,
  });
}
