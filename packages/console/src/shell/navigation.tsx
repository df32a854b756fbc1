import type { Me } from '@holdfast/protocol';
import { NavLink, Tooltip, UnstyledButton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { consoleQuery, healthQuery } from '../app/queries.ts';
import { Icon, type IconName } from '../ui/icons.tsx';
import typography from '../ui/typography.module.css';
import { useVoiceActive } from '../voice/active.ts';
import { SchemeButton } from './scheme-button.tsx';
import { nameOf } from './server-texts.ts';
import styles from './shell.module.css';

const PLACES = [
  { to: '/', key: 'home', icon: 'home' },
  { to: '/voice', key: 'voice', icon: 'mic' },
  { to: '/sessions', key: 'sessions', icon: 'list' },
  { to: '/tasks', key: 'tasks', icon: 'board' },
  { to: '/queue', key: 'queue', icon: 'queue' },
  { to: '/settings', key: 'settings', icon: 'settings' },
] as const satisfies readonly { to: string; key: string; icon: IconName }[];

/** A column on a wide screen; on a narrow one, the menu behind the burger. */
export function Navigation(props: {
  me: Me | undefined;
  onHelp: () => void;
  /** A link was followed, perhaps to the page that is shown already. */
  onGo: () => void;
}) {
  const { t } = useTranslation('shell');
  const talking = useVoiceActive();
  return (
    <>
      <div className={styles.wide}>
        <Brand />
      </div>
      <div className={styles.places}>
        {PLACES.map(place => (
          <NavLink
            key={place.to}
            component={Link}
            to={place.to}
            activeOptions={{ exact: place.to === '/', includeSearch: false }}
            classNames={{
              root: styles.place,
              section: styles.placeSection,
              label: styles.placeLabel,
            }}
            label={t(`place.${place.key}`)}
            leftSection={<Icon name={place.icon} />}
            rightSection={
              talking &&
              place.key === 'voice' && (
                <span className={styles.live}>
                  <span className={typography.visuallyHidden}>{t('talking')}</span>
                </span>
              )
            }
            onClick={props.onGo}
          />
        ))}
      </div>
      <div className={styles.foot}>
        <div className={styles.wide}>
          <HealthLink />
        </div>
        {props.me && <WhoAmI me={props.me} />}
        <div className={styles.wide}>
          <Tools onHelp={props.onHelp} />
        </div>
      </div>
    </>
  );
}

export function Brand() {
  return (
    <Link to="/" className={styles.brand}>
      <Mark />
      <span>Holdfast</span>
    </Link>
  );
}

function WhoAmI({ me }: { me: Me }) {
  const { t } = useTranslation('shell');
  const { data } = useQuery(consoleQuery);
  return (
    <div className={styles.who}>
      <span className={styles.whoName}>{nameOf(me, t)}</span>
      <span>{t(`role.${me.role}`)}</span>
      {data && (
        <Tooltip label={t('servedBy', { replica: data.replica })}>
          <span className={typography.num}>{data.revision}</span>
        </Tooltip>
      )}
    </div>
  );
}

export function HealthLink() {
  const { t } = useTranslation('shell');
  const { data, isError } = useQuery(healthQuery);
  const status = isError ? 'unreachable' : (data?.status ?? 'unknown');
  return (
    <Link to="/" hash="health" className={styles.health} data-health={status}>
      <span className={styles.healthMark} aria-hidden="true" />
      <span>{t(`health.${status}`)}</span>
    </Link>
  );
}

export function Tools({ onHelp }: { onHelp: () => void }) {
  const { t } = useTranslation('shell');
  return (
    <div className={styles.tools}>
      <SchemeButton />
      <Tooltip label={t('help.title')}>
        <UnstyledButton className={styles.tool} onClick={onHelp} aria-label={t('help.title')}>
          <Icon name="help" />
        </UnstyledButton>
      </Tooltip>
    </div>
  );
}

/** The logo: two posts and a line between them. */
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
