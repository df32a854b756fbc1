import type { Repo } from '@holdfast/protocol';
import { NativeSelect, Switch, TextInput } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { TasksSearch } from '../app/search.ts';
import { useShortcut } from '../shell/shortcuts.ts';
import { Icon } from '../ui/icons.tsx';

/** Search, repository, and whether archived tasks are shown; all stands in the address. */
export function TaskFilters(props: {
  search: TasksSearch;
  repos: readonly Repo[];
  onChange: (change: Partial<TasksSearch>) => void;
}) {
  const { search, repos, onChange } = props;
  const { t } = useTranslation('tasks');
  const field = useRef<HTMLInputElement>(null);
  useShortcut('/', () => field.current?.focus());
  useEffect(() => {
    if (search.focus) field.current?.focus();
  }, [search.focus]);
  return (
    <search className="hf-filters">
      <TextInput
        ref={field}
        type="search"
        className="hf-grow"
        aria-label={t('search')}
        placeholder={t('searchHint')}
        leftSection={<Icon name="search" size={16} />}
        value={search.q ?? ''}
        onChange={event => onChange({ q: event.currentTarget.value || undefined })}
        onKeyDown={event => {
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      <NativeSelect
        aria-label={t('repo')}
        value={search.repo ?? ''}
        onChange={event => onChange({ repo: event.currentTarget.value || undefined })}
        data={[
          { value: '', label: t('anyRepo') },
          ...repos.map(repo => ({ value: repo.id, label: repo.name })),
        ]}
      />
      <Switch
        label={t('archived')}
        checked={search.archived ?? false}
        onChange={event => onChange({ archived: event.currentTarget.checked || undefined })}
      />
    </search>
  );
}
