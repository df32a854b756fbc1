import type { Me } from '@holdfast/protocol';
import { Tooltip, UnstyledButton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { consoleQuery, healthQuery } from '../app/queries.ts';
import { Icon, type IconName } from '../ui/icons.tsx';
import { useVoiceActive } from '../voice/active.ts';
import { SchemeButton } from './scheme-button.tsx';

const PLACES = [
  { to: '/', key: 'home', icon: 'home', shortcut: 'g h' },
  { to: '/voice', key: 'voice', icon: 'mic', shortcut: 'g v' },
  { to: '/sessions', key: 'sessions', icon: 'list', shortcut: 'g s' },
  { to: '/tasks', key: 'tasks', icon: 'board', shortcut: 'g t' },
  { to: '/queue', key: 'queue', icon: 'queue', shortcut: 'g q' },
  { to: '/settings', key: 'settings', icon: 'settings', shortcut: 'g e' },
] as const satisfies readonly { to: string; key: string; icon: IconName; shortcut: string }[];

/** A column on a desk, a bar at the thumb on a phone. */
export function Navigation({ me, onHelp }: { me: Me | undefined; onHelp: () => void }) {
  const { t } = useTranslation('shell');
  return (
    <nav aria-label={t('navigation')} className="hf-side">
      <Link to="/" className="hf-brand">
        <Mark />
        <span>Holdfast</span>
      </Link>
      <div className="hf-nav">
        {PLACES.map(place => (
          <Link
            key={place.to}
            to={place.to}
            className="hf-nav-link"
            activeOptions={{ exact: place.to === '/', includeSearch: false }}
          >
            <Icon name={place.icon} />
            <span>{t(`place.${place.key}`)}</span>
            {place.key === 'voice' && <LiveDot />}
          </Link>
        ))}
      </div>
      <div className="hf-side-foot">
        <HealthDot />
        {me && <WhoAmI me={me} />}
        <div className="hf-side-tools">
          <SchemeButton />
          <Tooltip label={t('help.title')}>
            <UnstyledButton
              className="hf-tool-button"
              onClick={onHelp}
              aria-label={t('help.title')}
            >
              <Icon name="help" />
            </UnstyledButton>
          </Tooltip>
        </div>
      </div>
    </nav>
  );
}

/** Somebody is talking in this tab, also while another page is shown. */
function LiveDot() {
  const { t } = useTranslation('shell');
  if (!useVoiceActive()) return null;
  return (
    <span className="hf-nav-live">
      <span className="hf-visually-hidden">{t('talking')}</span>
    </span>
  );
}

function WhoAmI({ me }: { me: Me }) {
  const { t } = useTranslation('shell');
  const { data } = useQuery(consoleQuery);
  return (
    <div className="hf-who">
      <span className="hf-who-name">{me.name}</span>
      <span>{t(`role.${me.role}`)}</span>
      {data && (
        <Tooltip label={t('servedBy', { replica: data.replica })}>
          <span className="hf-num">{data.revision}</span>
        </Tooltip>
      )}
    </div>
  );
}

function HealthDot() {
  const { t } = useTranslation('shell');
  const { data, isError } = useQuery(healthQuery);
  const status = isError ? 'unreachable' : (data?.status ?? 'unknown');
  return (
    <Link to="/" hash="health" className="hf-health" data-health={status}>
      <span className="hf-health-mark" aria-hidden="true" />
      <span>{t(`health.${status}`)}</span>
    </Link>
  );
}

/** Two posts and the line that holds between them. */
function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="#0f6b87" />
      <path
        d="M9 8v16M23 8v16M9 16h3.5l2-5 3 10 2-5H23"
        fill="none"
        stroke="#fff"
        strokeWidth="2.6"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
