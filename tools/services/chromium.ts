/** The system's Chromium (or Chrome), for `playwright-core`, which brings no browser itself. */
import { existsSync } from 'node:fs';
import { findBinary } from './binaries.ts';

const MAC_CHROME = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

/** The path of the browser; `CHROME_PATH` wins. Throws one clear line when there is none. */
export async function findChromium(): Promise<string> {
  const chosen = process.env.CHROME_PATH;
  if (chosen) return chosen;
  if (existsSync(MAC_CHROME)) return MAC_CHROME;
  return findBinary({
    names: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
    aptPackage: 'chromium',
  });
}
