import type { Session } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { CopyButton } from '../ui/copy-button.tsx';
import layout from '../ui/layout.module.css';
import { StateBadge } from '../ui/state-badge.tsx';
import { isFinal } from '../ui/states.ts';
import { useNow } from '../ui/use-now.ts';
import { Length, When } from '../ui/when.tsx';
import { lengthOf } from './session-table.tsx';
import styles from './sessions.module.css';

/** What a session is, in one line that wraps. */
export function SessionFacts({ session }: { session: Session }) {
  const { t, i18n } = useTranslation('sessions');
  const ui = useTranslation('ui').t;
  const now = useNow(isFinal(session.state) ? 60_000 : 1000);
  const reason = session.close_reason;
  const facts: [string, React.ReactNode][] = [
    [t('column.state'), <StateBadge key="state" state={session.state} />],
    [t('column.started'), <When key="started" at={session.created_at} />],
    [t('column.length'), <Length key="length" seconds={lengthOf(session, now)} />],
    [t('column.owner'), session.created_by],
    ...(session.label === null ? [] : [[t('label'), session.label] as [string, string]]),
    [t('transport'), ui(`transport.${session.transport}`)],
    [t('voice'), session.voice ?? '—'],
  ];
  if (reason) {
    const key = `reason.${reason}`;
    facts.push([t('closed'), i18n.exists(`sessions:${key}`) ? t(key as never) : reason]);
  }
  return (
    <dl className={`${layout.card} ${styles.factLine}`}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
      <div>
        <dt>{t('id')}</dt>
        <dd className={layout.copyable}>
          <code>{session.id}</code>
          <CopyButton value={session.id} label={t('copyId')} />
        </dd>
      </div>
    </dl>
  );
}
