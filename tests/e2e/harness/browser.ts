import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { findChromium } from '../../../tools/services/chromium.ts';
import type { PageHeaders } from './runs.ts';

/** Generous, because the machine may be busy; each wait normally takes a moment. */
const WAIT_TIMEOUT_MS = 60_000;

const FLAGS = [
  '--no-sandbox',
  '--autoplay-policy=no-user-gesture-required',
  // A machine may have nothing but a loopback interface.
  '--allow-loopback-in-peer-connection',
  '--use-fake-ui-for-media-stream',
  '--use-fake-device-for-media-stream',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-sync',
  '--no-first-run',
  '--no-pings',
];

/** A real Chromium whose microphone hears `wavPath` over and over. The caller closes it. */
export async function launchBrowser(wavPath: string): Promise<Browser> {
  return chromium.launch({
    executablePath: await findChromium(),
    args: [...FLAGS, `--use-file-for-fake-audio-capture=${wavPath}`],
  });
}

export interface PageOptions {
  readonly baseURL: string;
  readonly locale?: 'en-GB' | 'ja-JP';
  readonly colorScheme?: 'light' | 'dark';
  /** Who has signed in on this profile before; default: nobody. */
  readonly signedIn?: PageHeaders | undefined;
}

/** A browser profile of its own with one tab, and everything that went wrong in it. */
export interface ConsolePage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Uncaught errors, console errors and violations of the content security policy. */
  readonly faults: readonly string[];
  /** From here on faults that match are left out; `why` is for the reader. */
  expectFault(pattern: RegExp, why: string): void;
}

/** Pages move nothing for show, so that a picture or a check never falls into a transition. */
export async function openPage(
  browser: Browser,
  { signedIn, ...options }: PageOptions,
): Promise<ConsolePage> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    locale: 'en-GB',
    reducedMotion: 'reduce',
    ...options,
  });
  context.setDefaultTimeout(WAIT_TIMEOUT_MS);
  const faults: string[] = [];
  const expected: RegExp[] = [];
  const blame = (text: string) => {
    if (!expected.some(pattern => pattern.test(text))) faults.push(text);
  };
  context.on('weberror', thrown => blame(`uncaught: ${thrown.error().stack ?? thrown.error()}`));
  context.on('console', message => {
    const { url } = message.location();
    if (message.type() === 'error') blame(`console: ${message.text()} (${url})`);
  });
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', event =>
      console.error(`policy: ${event.violatedDirective} forbids ${event.blockedURI}`),
    );
  });
  if (signedIn !== undefined) {
    const [name, value] = signedIn.cookie.split('=') as [string, string];
    await context.addCookies([{ name, value, url: options.baseURL }]);
    // The script runs on the tab's first, blank page too, which may store nothing.
    await context.addInitScript(
      secret => location.origin !== 'null' && localStorage.setItem('holdfast-page', secret),
      signedIn['x-holdfast-page'],
    );
  }
  const page = await context.newPage();
  return { page, context, faults, expectFault: pattern => void expected.push(pattern) };
}

/** What axe-core calls serious or critical on the page as it is, as readable lines. */
export async function barriers(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  const { violations } = await page.evaluate(async () => {
    // A colour in a transition is neither of the two.
    const changes = document.getAnimations().filter(change => change instanceof CSSTransition);
    await Promise.allSettled(changes.map(({ finished }) => finished));
    const { axe: injected } = window as unknown as { axe: typeof axe };
    return injected.run(document, { resultTypes: ['violations'] });
  });
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html} ${node.failureSummary}`));
}

/** Fetches a sound as the page would and decodes it: its length and its loudest sample (0 to 1). */
export async function decodeSound(
  page: Page,
  url: string,
): Promise<{ durationS: number; loudest: number }> {
  return page.evaluate(async address => {
    const bytes = await (await fetch(address)).arrayBuffer();
    const sound = await new OfflineAudioContext(1, 1, 8000).decodeAudioData(bytes);
    const loudest = sound.getChannelData(0).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    return { durationS: sound.duration, loudest };
  }, url);
}

/** Has pages opened from now on keep their WebRTC connections where `receivedAudio` finds them. */
export async function notePeers(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    const peers: RTCPeerConnection[] = [];
    const Original = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Original {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        peers.push(this);
      }
    };
    Object.assign(window, { peers });
  });
}

/** What came in over WebRTC, by the browser's own count. */
export async function receivedAudio(page: Page): Promise<{ packets: number; audible: boolean }> {
  return page.evaluate(async () => {
    const [peer] = (window as unknown as { peers: RTCPeerConnection[] }).peers;
    let [packets, energy] = [0, 0];
    for (const entry of (await peer!.getStats()).values()) {
      if (entry.type !== 'inbound-rtp') continue;
      packets += entry.packetsReceived;
      energy += entry.totalAudioEnergy ?? 0;
    }
    return { packets, audible: packets > 0 && energy > 0.001 };
  });
}
