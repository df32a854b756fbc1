import type { Task } from '@holdfast/protocol';
import { Menu } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { client } from '../app/services.ts';
import { useAnnounce } from '../ui/use-announce.tsx';
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

/** Moves a task and says so; done at once, because it can be moved back. */
export function useMove() {
  const { t } = useTranslation('tasks');
  const queries = useQueryClient();
  const announce = useAnnounce();
  const [state, setState] = useState({ busy: false, error: null as unknown });
  const move = async (task: Task, { to, column }: Move): Promise<boolean> => {
    setState({ busy: true, error: null });
    try {
      await client.tasks.update(task.id, { column });
      announce(t('move.done', { title: task.title, column: t(`column.${to}`) }));
      await queries.invalidateQueries({ queryKey: ['task', task.id] });
      await queries.invalidateQueries({ queryKey: ['tasks'] });
      setState({ busy: false, error: null });
      return true;
    } catch (error) {
      setState({ busy: false, error });
      return false;
    }
  };
  return { move, ...state };
}
