import type { LimitList, LimitValues } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { RowActions } from '../ui/row-actions.tsx';
import tables from '../ui/table.module.css';
import typography from '../ui/typography.module.css';
import { defaultsOf, FIELDS } from './limits.ts';
import styles from './settings.module.css';

interface TableProps {
  limits: LimitList;
  nameOf: (subject: string) => string;
  /** Absent for readers. */
  onChange?: (subject: string) => void;
}

/** What holds for everyone, for the project, and for keys with limits of their own. */
export function LimitTable({ limits, nameOf, onChange }: TableProps) {
  const { t } = useTranslation('settings');
  const { person, key, project } = limits.defaults;
  const own = limits.data.find(one => one.subject === 'project');
  const keys = limits.data.filter(one => one.subject !== 'project');
  return (
    <table className={`${tables.table} ${tables.cards}`}>
      <thead>
        <tr>
          <th scope="col">{t('limits.column.subject')}</th>
          {FIELDS.map(field => (
            <th key={field} scope="col" className={tables.right}>
              {t(`limits.column.${field}`)}
            </th>
          ))}
          {onChange && (
            <th scope="col">
              <span className={typography.visuallyHidden}>{t('keys.column.actions')}</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        <Row name={t('limits.person')} values={person} />
        <Row name={t('limits.eachKey')} values={key} />
        <Row
          name={nameOf('project')}
          values={own ?? project}
          fallback={project}
          {...(onChange && { onChange: () => onChange('project') })}
        />
        {keys.map(one => (
          <Row
            key={one.subject}
            name={nameOf(one.subject)}
            values={one}
            fallback={defaultsOf(limits, one.subject)}
            {...(onChange && { onChange: () => onChange(one.subject) })}
          />
        ))}
      </tbody>
    </table>
  );
}

function Row(props: {
  name: string;
  values: LimitValues;
  /** What a null among the values stands for. */
  fallback?: LimitValues;
  onChange?: () => void;
}) {
  const { t } = useTranslation('settings');
  const formats = useFormats();
  const { name, values, fallback, onChange } = props;
  return (
    <tr>
      <td className={styles.budgetScope}>
        <strong>{name}</strong>
      </td>
      {FIELDS.map(field => {
        const value = values[field] ?? fallback?.[field] ?? null;
        return (
          <td
            key={field}
            className={`${tables.right} ${typography.num}`}
            data-label={t(`limits.column.${field}`)}
          >
            {value === null ? t('limits.unlimited') : formats.number(value)}
          </td>
        );
      })}
      {onChange && (
        <td>
          <RowActions
            actions={[
              {
                text: t('limits.change'),
                label: t('limits.changeName', { of: name }),
                act: onChange,
              },
            ]}
          />
        </td>
      )}
    </tr>
  );
}
