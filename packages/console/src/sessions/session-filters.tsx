import { NativeSelect, Switch } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { ListSearch } from '../app/search.ts';
import { SearchField } from '../shell/search-field.tsx';
import layout from '../ui/layout.module.css';
import { STATES } from '../ui/states.ts';

/** Search, state, and whether only the reader's sessions are shown; kept in the address. */
export function SessionFilters(props: {
  search: ListSearch;
  onChange: (change: Partial<ListSearch>) => void;
}) {
  const { search, onChange } = props;
  const { t } = useTranslation('sessions');
  const ui = useTranslation('ui').t;
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
        aria-label={t('state')}
        value={search.state ?? ''}
        onChange={event =>
          onChange({ state: STATES.find(state => state === event.currentTarget.value) })
        }
        data={[
          { value: '', label: t('anyState') },
          ...STATES.map(state => ({ value: state, label: ui(`state.${state}`) })),
        ]}
      />
      <Switch
        label={t('mine')}
        checked={search.mine ?? false}
        onChange={event => onChange({ mine: event.currentTarget.checked || undefined })}
      />
    </search>
  );
}
