import type { Repo } from '@holdfast/protocol';
import { NativeSelect, Switch } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { TasksSearch } from '../app/search.ts';
import { SearchField } from '../shell/search-field.tsx';
import { visible } from '../text/visible.ts';
import layout from '../ui/layout.module.css';

/** Search, repository, and whether archived tasks are shown; kept in the address. */
export function TaskFilters(props: {
  search: TasksSearch;
  repos: readonly Repo[];
  onChange: (change: Partial<TasksSearch>) => void;
}) {
  const { search, repos, onChange } = props;
  const { t } = useTranslation('tasks');
  return (
    <search className={layout.filters}>
      <SearchField
        label={t('search')}
        hint={t('searchHint')}
        value={search.q}
        focus={search.focus}
        onChange={q => onChange({ q })}
      />
      <NativeSelect
        aria-label={t('repo')}
        value={search.repo ?? ''}
        onChange={event => onChange({ repo: event.currentTarget.value || undefined })}
        data={[
          { value: '', label: t('anyRepo') },
          ...repos.map(repo => ({ value: repo.id, label: visible(repo.name) })),
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
