import type { Health, HealthStatus } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';

const MARKS: Record<HealthStatus, string> = { healthy: '●', degraded: '◐', unhealthy: '▲' };

/** Each thing the server depends on, how it is, and how long it took to answer. */
export function HealthList({ health }: { health: Health }) {
  const { t, i18n } = useTranslation('home');
  const formats = useFormats();
  return (
    <ul className="hf-plain hf-health-list">
      {Object.entries(health.checks).map(([name, check]) => (
        <li key={name} data-status={check.status}>
          <span className="hf-health-word">
            <span aria-hidden="true">{MARKS[check.status]}</span>{' '}
            {i18n.exists(`home:dependency.${name}`) ? t(`dependency.${name}` as never) : name}
            <span className="hf-visually-hidden"> {t(`health.${check.status}`)}</span>
          </span>
          <span className="hf-num hf-soft">
            {t('health.ms', { ms: formats.number(Math.round(check.response_time_ms * 10) / 10) })}
          </span>
          {check.status !== 'healthy' && (
            <span className="hf-health-message" lang="en">
              {check.message}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}
