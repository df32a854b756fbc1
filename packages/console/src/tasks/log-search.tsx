import { ActionIcon, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import typography from '../ui/typography.module.css';
import styles from './log.module.css';
import type { LogSearchState } from './task-parts.ts';

/** Searches a log. Enter goes to the next match, Shift+Enter to the previous one. */
export function LogSearch(props: {
  search: LogSearchState;
  lines: number;
  /** What else can be done with the whole log. */
  children: ReactNode;
}) {
  const { search, lines } = props;
  const { t } = useTranslation('tasks');
  const formats = useFormats();
  const words =
    search.query.trim() === ''
      ? t('log.lines', { count: lines })
      : search.count === 0
        ? t('log.noMatches')
        : t('log.matches', { at: search.at, count: search.count });
  return (
    <search className={styles.search}>
      <TextInput
        type="search"
        size="xs"
        className={layout.grow}
        aria-label={t('log.search')}
        placeholder={t('log.search')}
        leftSection={<Icon name="search" size={14} />}
        value={search.query}
        onChange={event => search.setQuery(event.currentTarget.value)}
        onKeyDown={event => {
          if (event.key === 'Enter') search.step(event.shiftKey ? -1 : 1);
          if (event.key === 'Escape') search.setQuery('');
        }}
      />
      <span className={`${typography.soft} ${typography.num}`} title={formats.number(lines)}>
        {words}
      </span>
      {search.count > 1 && (
        <>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={t('log.previous')}
            onClick={() => search.step(-1)}
          >
            <Icon name="back" size={14} />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={t('log.next')}
            onClick={() => search.step(1)}
          >
            <Icon name="forward" size={14} />
          </ActionIcon>
        </>
      )}
      {props.children}
    </search>
  );
}
