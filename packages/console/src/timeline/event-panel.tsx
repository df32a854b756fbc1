import type { EventEnvelope } from '@holdfast/protocol';
import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import layout from '../ui/layout.module.css';
import typography from '../ui/typography.module.css';
import { nameKey } from './describe.ts';
import styles from './timeline.module.css';

/** The event under the cursor: type, time, actor, data, and a link to it. */
export function EventPanel(props: { event: EventEnvelope | undefined; startMs: number }) {
  const { t } = useTranslation('timeline');
  const formats = useFormats();
  const { event } = props;
  if (!event) {
    return (
      <section className={styles.event} aria-label={t('panel')}>
        <Text size="sm" c="var(--hf-ink-soft)">
          {t('choose')}
        </Text>
      </section>
    );
  }
  const at = Date.parse(event.at);
  return (
    <section className={styles.event} aria-label={t('panel')}>
      <div className={styles.eventHead}>
        <div>
          <h3>{t(nameKey(event.type) as never, { defaultValue: event.type })}</h3>
          <code className={typography.soft}>{event.type}</code>
        </div>
        <CopyButton value={linkTo(event.seq)} label={t('copyLink')} text={t('link')} />
      </div>
      <dl className={layout.facts}>
        <dt>{t('field.seq')}</dt>
        <dd className={typography.num}>{event.seq}</dd>
        <dt>{t('field.at')}</dt>
        <dd className={typography.num}>
          {formats.clock((at - props.startMs) / 1000)} <small>{formats.exact(at)}</small>
        </dd>
        <dt>{t('field.actor')}</dt>
        <dd>{event.actor}</dd>
      </dl>
      <Data data={event.data} />
      {event.redacted && <p className={typography.soft}>{t('redacted')}</p>}
    </section>
  );
}

function Data({ data }: { data: Record<string, unknown> }) {
  const entries = Object.entries(data).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return null;
  return (
    <dl className={styles.data}>
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{show(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function show(value: unknown) {
  if (value === null) return <span className={typography.soft}>—</span>;
  if (typeof value === 'object') return <pre>{JSON.stringify(value, null, 2)}</pre>;
  return String(value);
}

function linkTo(seq: number): string {
  const url = new URL(window.location.href);
  url.searchParams.set('at', String(seq));
  url.searchParams.delete('table');
  url.hash = '';
  return url.href;
}
