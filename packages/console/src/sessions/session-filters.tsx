import { NativeSelect, Switch, TextInput } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { ListSearch } from '../app/search.ts';
import { useShortcut } from '../shell/shortcuts.ts';
import { Icon } from '../ui/icons.tsx';
import { STATES } from '../ui/states.ts';

/** Search, state, and whether only one's own sessions are shown; all stands in the address. */
export function SessionFilters(props: {
  search: ListSearch;
  onChange: (change: Partial<ListSearch>) => void;
}) {
  const { search, onChange } = props;
  const { t } = useTranslation('sessions');
  const ui = useTranslation('ui').t;
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
