import './shell.css';
import { useQuery } from '@tanstack/react-query';
import { Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { consoleQuery, meQuery } from '../app/queries.ts';
import { isApiError } from '../app/services.ts';
import { EndingToasts } from '../tasks/ending-toasts.tsx';
import { Icon } from '../ui/icons.tsx';
import { HelpDialog } from './help-dialog.tsx';
import { Navigation } from './navigation.tsx';
import { useShortcut, useShortcutListener } from './shortcuts.ts';
import { SignIn } from './sign-in.tsx';

/** What surrounds every page: navigation, the server's notice, help, and sign-in when needed. */
export function Shell() {
  const { t } = useTranslation('shell');
  const me = useQuery(meQuery);
  const [help, setHelp] = useState(false);
  const signedOut = isApiError(me.error) && me.error.code === 'unauthenticated';
  useGlobalShortcuts(() => setHelp(true));
  return (
    <div className="hf-shell">
      <a className="hf-skip" href="#content">
        {t('skip')}
      </a>
      <Navigation me={me.data} onHelp={() => setHelp(true)} />
      <div className="hf-page">
        <Notice />
        <main id="content" tabIndex={-1} className="hf-main">
          {signedOut ? <SignIn /> : <Outlet />}
        </main>
      </div>
      <EndingToasts />
      <HelpDialog opened={help} onClose={() => setHelp(false)} />
    </div>
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
  const path = useRouterState({ select: state => state.location.pathname });
  // A new page begins at its top; the path is what makes it new.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the path is the trigger
  useEffect(() => {
    window.scrollTo(0, 0);
  }, [path]);
}

/** What the server asks every page to say, such as that the model is simulated. */
function Notice() {
  const { t } = useTranslation('shell');
  const { data } = useQuery(consoleQuery);
  if (!data?.notice) return null;
  return (
    <aside className="hf-notice" aria-label={t('notice')}>
      <Icon name="info" size={16} />
      <span lang="en">{data.notice}</span>
    </aside>
  );
}
