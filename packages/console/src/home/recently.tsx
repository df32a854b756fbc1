import type { Session } from '@holdfast/protocol';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import layout from '../ui/layout.module.css';
import { Section } from '../ui/page.tsx';
import { StateBadge } from '../ui/state-badge.tsx';
import { isFinal } from '../ui/states.ts';
import typography from '../ui/typography.module.css';
import { Length, When } from '../ui/when.tsx';
import styles from './home.module.css';

const SHOWN_MAX = 6;

/** The newest sessions that are over, each a step away from its timeline. */
export function Recently({ sessions }: { sessions: readonly Session[] }) {
  const { t } = useTranslation('home');
  const over = sessions.filter(session => isFinal(session.state)).slice(0, SHOWN_MAX);
  if (over.length === 0) return null;
  return (
    <Section
      title={t('recent.title')}
      id="recent"
      actions={<Link to="/sessions">{t('recent.all')}</Link>}
    >
      <ul className={`${layout.plain} ${styles.recent}`}>
        {over.map(session => (
          <li key={session.id}>
            <StateBadge state={session.state} />
            <Link to="/sessions/$id" params={{ id: session.id }} className={typography.strongLink}>
              {session.model}
            </Link>
            <span className={typography.soft}>
              <Length seconds={session.duration_s ?? 0} />
            </span>
            <span className={typography.soft}>
              <When at={session.ended_at ?? session.created_at} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
