import type { Health, HealthStatus } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import layout from '../ui/layout.module.css';
import typography from '../ui/typography.module.css';
import styles from './home.module.css';

const MARKS: Record<HealthStatus, string> = { healthy: '●', degraded: '◐', unhealthy: '▲' };

/** Each thing the server depends on, how it is, and how long it took to answer. */
export function HealthList({ health }: { health: Health }) {
  const { t, i18n } = useTranslation('home');
  const formats = useFormats();
  return (
    <ul className={`${layout.plain} ${styles.healthList}`}>
      {Object.entries(health.checks).map(([name, check]) => (
        <li key={name} data-status={check.status}>
          <span>
            <span aria-hidden="true">{MARKS[check.status]}</span>{' '}
            {i18n.exists(`home:dependency.${name}`) ? t(`dependency.${name}` as never) : name}
            <span className={typography.visuallyHidden}> {t(`health.${check.status}`)}</span>
          </span>
          <span className={`${typography.num} ${typography.soft}`}>
            {t('health.ms', { ms: formats.number(Math.round(check.response_time_ms * 10) / 10) })}
          </span>
          {check.status !== 'healthy' && (
            <span className={styles.healthMessage} lang="en">
              {check.message}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}
