import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { client } from '../app/services.ts';
import { Icon } from '../ui/icons.tsx';
import { Problem } from '../ui/problem.tsx';
import { useAnnounce } from '../ui/use-announce.tsx';
import { NotifyButton } from './notify-button.tsx';
import { isOver } from './run-states.ts';
import type { TaskParts } from './task-page.tsx';

/** Archiving is done at once, because the same button brings the task back. */
export function TaskActions({ task, runs, own }: TaskParts) {
  const { t } = useTranslation('tasks');
  const queries = useQueryClient();
  const announce = useAnnounce();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const archived = task.column === 'archived';
  const change = async () => {
    setBusy(true);
    setError(null);
    try {
      await client.tasks.update(task.id, { column: archived ? null : 'archived' });
      announce(t(archived ? 'unarchive.done' : 'archive.done'));
      await queries.invalidateQueries({ queryKey: ['task', task.id] });
      await queries.invalidateQueries({ queryKey: ['tasks'] });
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      {error !== null && <Problem error={error} />}
      {runs.some(run => !isOver(run.status)) && <NotifyButton />}
      {own && (
        <Button
          variant="default"
          loading={busy}
          leftSection={<Icon name="archive" size={16} />}
          onClick={() => void change()}
        >
          {t(archived ? 'unarchive.button' : 'archive.button')}
        </Button>
      )}
    </>
  );
}
