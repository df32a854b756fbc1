import type { MouseEvent } from 'react';
import { client } from '../app/services.ts';
import { useNotify } from './use-notify.tsx';

/** The browser reads the file from memory within this time. */
const READ_WITHIN_MS = 60_000;

/**
 * Makes the handler of a link that saves what `path` answers. A click asks as the page does, with
 * its secret: a plain link has only the cookie, with which an Admin reads no more than a Developer.
 */
export function useDownload() {
  const notify = useNotify();
  return (path: string, fileName: string) => async (event: MouseEvent) => {
    event.preventDefault();
    try {
      const answer = await client.http.request(path, { timeoutMs: null, headers: ANY });
      const url = URL.createObjectURL(await answer.blob());
      const link = Object.assign(document.createElement('a'), { href: url, download: fileName });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), READ_WITHIN_MS);
    } catch (error) {
      notify.failed(error);
    }
  };
}

const ANY = { accept: '*/*' };
