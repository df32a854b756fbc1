import './app/global.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/app.tsx';
import { consoleQuery, healthQuery, meQuery } from './app/queries.ts';
import { router } from './app/router.tsx';
import { queryClient, uploads } from './app/services.ts';
import { browserLanguage, startI18n } from './i18n/i18n.ts';
import { getPreferences } from './preferences/preferences.ts';

/** How long the first drawing waits for what would move the page when it came later. */
const NOTICE_WAIT_MS = 400;

/**
 * Everything the first page needs is asked for at once; one after the other it would take as many
 * round trips. A server that is slow or away is waited for by the page, not by the start.
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
