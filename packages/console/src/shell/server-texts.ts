import type { ConsoleInfo } from '@holdfast/client';
import type { Me } from '@holdfast/protocol';
import type { TFunction } from 'i18next';

/** The id of the one user of a server in local mode, whom the server names in English. */
const LOCAL_USER_ID = 'local';

/** The caller's name: the server's, or for the local user the name in the reader's language. */
export function nameOf(me: Me, t: TFunction<'shell'>): string {
  return me.mode === 'local' && me.id === LOCAL_USER_ID ? t('localUser') : me.name;
}

/** What every page shows above its content, and its language where the console did not write it. */
export function noticeOf(
  server: Pick<ConsoleInfo, 'notice' | 'simulated'> | undefined,
  t: TFunction<'shell'>,
): { text: string; lang?: 'en' } | null {
  if (server?.notice) return { text: server.notice, lang: 'en' };
  return server?.simulated ? { text: t('simulated') } : null;
}
