import { AppShell, Burger } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Notifications } from '@mantine/notifications';
import { useQuery } from '@tanstack/react-query';
import { Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { pageSecret } from '../app/page-secret.ts';
import { consoleQuery, meQuery } from '../app/queries.ts';
import { isApiError } from '../app/services.ts';
import { useEndingNotices } from '../tasks/use-ending-notices.tsx';
import { Icon } from '../ui/icons.tsx';
import { HelpDialog } from './help-dialog.tsx';
import { Brand, HealthLink, Navigation, Tools } from './navigation.tsx';
import { noticeOf } from './server-texts.ts';
import styles from './shell.module.css';
import { useShortcut, useShortcutListener } from './shortcuts.ts';
import { SignIn } from './sign-in.tsx';

/** Only narrow screens have the bar on top; on others the navigation stands beside the page. */
const BAR_PX = 52;
const NAVIGATION_PX = 208;
const NARROW = 'sm';
const NOTICES_SHOWN_MAX = 4;
const NOTICE_MAX_PX = 400;

/** What surrounds every page: navigation, the server's notice, help, and sign-in when needed. */
export function Shell() {
  const { t } = useTranslation('shell');
  const me = useQuery(meQuery);
  const [help, helpIs] = useDisclosure();
  const [menu, menuIs] = useDisclosure();
  const burger = useRef<HTMLButtonElement>(null);
  const refused = isApiError(me.error) && me.error.code === 'unauthenticated';
  // A cookie without the page's secret can only read.
  const signedOut = refused || (me.data?.kind === 'user' && pageSecret() === null);
  useGlobalShortcuts(helpIs.open);
  useNewPage(menuIs.close);
  useEndingNotices();
  return (
    <AppShell
      header={{ height: { base: BAR_PX, [NARROW]: 0 } }}
      navbar={{ width: NAVIGATION_PX, breakpoint: NARROW, collapsed: { mobile: !menu } }}
      transitionDuration={0}
      className={styles.shell}
      onKeyDown={event => {
        if (event.key !== 'Escape' || !menu) return;
        menuIs.close();
        burger.current?.focus();
      }}
    >
      <a className={styles.skip} href="#content">
        {t('skip')}
      </a>
      <AppShell.Header hiddenFrom={NARROW} className={styles.bar}>
        <Burger
          ref={burger}
          size="sm"
          opened={menu}
          aria-expanded={menu}
          aria-controls="navigation"
          aria-label={t('menu')}
          onClick={menuIs.toggle}
        />
        <Brand />
        <HealthLink />
        <Tools onHelp={helpIs.open} />
      </AppShell.Header>
      <AppShell.Navbar
        id="navigation"
        aria-label={t('navigation')}
        className={styles.side}
        mod={{ opened: menu }}
      >
        <Navigation me={me.data} onHelp={helpIs.open} onGo={menuIs.close} />
      </AppShell.Navbar>
      <AppShell.Main className={styles.main}>
        <Notice />
        <div id="content" tabIndex={-1} className={styles.content}>
          {signedOut ? <SignIn /> : <Outlet />}
        </div>
      </AppShell.Main>
      <Notifications
        position="bottom-right"
        limit={NOTICES_SHOWN_MAX}
        containerWidth={416}
        notificationMaxHeight={NOTICE_MAX_PX}
      />
      <HelpDialog opened={help} onClose={helpIs.close} />
    </AppShell>
  );
}

function useGlobalShortcuts(openHelp: () => void): void {
  const navigate = useNavigate();
  useShortcutListener();
  useShortcut('?', openHelp);
  useShortcut('g h', () => void navigate({ to: '/' }));
  useShortcut('g v', () => void navigate({ to: '/voice' }));
  useShortcut('g s', () => void navigate({ to: '/sessions' }));
  useShortcut('g t', () => void navigate({ to: '/tasks' }));
  useShortcut('g q', () => void navigate({ to: '/queue' }));
  useShortcut('g e', () => void navigate({ to: '/settings' }));
  useShortcut('/', () => void navigate({ to: '/sessions', search: { focus: true } }));
}

/** A new page begins at its top, without the menu over it; the path is what makes it new. */
function useNewPage(closeMenu: () => void): void {
  const path = useRouterState({ select: state => state.location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the path is the trigger
  useEffect(() => {
    window.scrollTo(0, 0);
    closeMenu();
  }, [path]);
}

/** On every page: the operator's notice, or that the model is simulated. */
function Notice() {
  const { t } = useTranslation('shell');
  const { data } = useQuery(consoleQuery);
  const notice = noticeOf(data, t);
  if (!notice) return null;
  return (
    <div role="note" className={styles.notice} aria-label={t('notice')}>
      <Icon name="info" size={16} />
      <span lang={notice.lang}>{notice.text}</span>
    </div>
  );
}
