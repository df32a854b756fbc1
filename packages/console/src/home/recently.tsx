import type { Session } from '@holdfast/protocol';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Section } from '../ui/page.tsx';
import { StateBadge } from '../ui/state-badge.tsx';
import { isFinal } from '../ui/states.ts';
import { Length, When } from '../ui/when.tsx';

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
      <ul className="hf-plain hf-recent">
        {over.map(session => (
          <li key={session.id}>
            <StateBadge state={session.state} />
            <Link to="/sessions/$id" params={{ id: session.id }} className="hf-strong-link">
              {session.model}
            </Link>
            <span className="hf-soft hf-right">
              <Length seconds={session.duration_s ?? 0} />
            </span>
            <span className="hf-soft hf-right">
              <When at={session.ended_at ?? session.created_at} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
