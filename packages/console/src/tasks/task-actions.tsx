import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons.tsx';
import { MoveMenu, useMove } from './move-menu.tsx';
import { NotifyButton } from './notify-button.tsx';
import { isOver } from './run-states.ts';
import type { TaskParts } from './task-parts.ts';

/** What can be done with a whole task. */
export function TaskActions({ task, runs, own }: TaskParts) {
  const { t } = useTranslation('tasks');
  const { mutate, isPending } = useMove();
  return (
    <>
      {runs.some(run => !isOver(run.status)) && <NotifyButton />}
      {own && (
        <MoveMenu task={task} onMove={move => mutate({ task, move })}>
          <Button
            variant="default"
            loading={isPending}
            leftSection={<Icon name="board" size={16} />}
            rightSection={<Icon name="down" size={14} />}
          >
            {t('move.column', { column: t(`column.${task.column}`) })}
          </Button>
        </MoveMenu>
      )}
    </>
  );
}
