// Before the router looks at the address.
import './app/page-secret.ts';
import './app/global.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/app.tsx';
import { consoleQuery, healthQuery, meQuery } from './app/queries.ts';
import { router } from './app/router.tsx';
import { queryClient, uploads } from './app/services.ts';
import { browserLanguage, startI18n } from './i18n/i18n.ts';
import { getPreferences } from './preferences/preferences.ts';

/** How long the first render waits for the notice, which would move the page if it came later. */
const NOTICE_WAIT_MS = 400;

/**
 * Requests everything the first page needs at once; one after the other would take as many round
 * trips. The page waits for a slow or missing server, the start does not.
 */
async function start(): Promise<void> {
  void queryClient.prefetchQuery(meQuery);
  void queryClient.prefetchQuery(healthQuery);
  const notice = queryClient.prefetchQuery(consoleQuery);
  await Promise.all([
    startI18n(getPreferences().language ?? browserLanguage()),
    router.load().catch(() => undefined),
    Promise.race([notice, new Promise(resolve => setTimeout(resolve, NOTICE_WAIT_MS))]),
  ]);
  createRoot(document.getElementById('root')!).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
  await uploads.restore();
}

void start();
