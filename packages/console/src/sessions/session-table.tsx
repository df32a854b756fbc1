import type { Session } from '@holdfast/protocol';
import { Link, useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { Icon } from '../ui/icons.tsx';
import { StateBadge } from '../ui/state-badge.tsx';
import { isFinal } from '../ui/states.ts';
import tables from '../ui/table.module.css';
import typography from '../ui/typography.module.css';
import { useNow } from '../ui/use-now.ts';
import { When } from '../ui/when.tsx';
import styles from './sessions.module.css';

const RENEW_MS = 1000;

/** One row a session; on a phone each row is a small card. */
export function SessionTable({ sessions }: { sessions: readonly Session[] }) {
  const { t } = useTranslation('sessions');
  const alive = sessions.some(session => !isFinal(session.state));
  const now = useNow(alive ? RENEW_MS : 60_000);
  return (
    <table className={`${tables.table} ${tables.cards} ${styles.sessions}`}>
      <thead>
        <tr>
          <th scope="col">{t('column.state')}</th>
          <th scope="col">{t('column.model')}</th>
          <th scope="col">{t('column.owner')}</th>
          <th scope="col">{t('column.started')}</th>
          <th scope="col" className={tables.right}>
            {t('column.length')}
          </th>
          <th scope="col" className={tables.right}>
            {t('column.tokens')}
          </th>
          <th scope="col">{t('column.recorded')}</th>
        </tr>
      </thead>
      <tbody>
        {sessions.map(session => (
          <Row key={session.id} session={session} now={now} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ session, now }: { session: Session; now: number }) {
  const { t } = useTranslation('sessions');
  const ui = useTranslation('ui').t;
  const formats = useFormats();
  const navigate = useNavigate();
  const open = () => void navigate({ to: '/sessions/$id', params: { id: session.id } });
  return (
    // The link in the row is for keys and screen readers; the whole row is for the pointer.
    <tr onClick={open} className={tables.clickable}>
      <td>
        <StateBadge state={session.state} />
      </td>
      <td>
        <Link
          to="/sessions/$id"
          params={{ id: session.id }}
          className={typography.strongLink}
          onClick={event => event.stopPropagation()}
          aria-label={t('open', { model: session.model, id: session.id })}
        >
          {session.model}
        </Link>{' '}
        <span className={typography.soft}>{ui(`transport.${session.transport}`)}</span>
      </td>
      <td className={tables.cut}>{session.created_by}</td>
      <td>
        <When at={session.created_at} />
      </td>
      <td className={`${tables.right} ${typography.num}`}>
        {formats.clock(lengthOf(session, now))}
      </td>
      <td className={`${tables.right} ${typography.num}`}>
        {formats.number(session.usage.total_tokens)}
      </td>
      <td className={typography.num}>
        {session.recordings.count > 0 && (
          <span className={styles.recorded}>
            <Icon name="record" size={14} /> {formats.clock(session.recordings.duration_s)}
          </span>
        )}
      </td>
    </tr>
  );
}

/** Seconds; up to now while it lives. */
export function lengthOf(session: Session, now: number): number {
  if (session.duration_s !== null) return session.duration_s;
  const start = Date.parse(session.connected_at ?? session.created_at);
  const end = session.ended_at === null ? now : Date.parse(session.ended_at);
  return Math.max(0, (end - start) / 1000);
}
