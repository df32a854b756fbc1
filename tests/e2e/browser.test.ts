import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventEnvelope, RecordingList, Session } from '@holdfast/protocol';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { builtConsole } from '../../tools/services/shared.ts';
import {
  barriers,
  type ConsolePage,
  decodeSound,
  launchBrowser,
  notePeers,
  openPage,
  type PageOptions,
  receivedAudio,
} from './harness/browser.ts';
import { bestCorrelation, type SpokenFile, writeSpeech } from './harness/speech.ts';
import { type Stack, startStack } from './harness/stacks.ts';

const SPOKEN = 'Please make the background light blue and tell me what is on this page';
const ANSWERED = 'It is light blue now.';
const WAIT = { timeout: 30_000 };

/** What the simulator knows of a session; see its README. */
interface Upstream {
  id: string;
  transport: 'websocket' | 'webrtc';
  state: 'open' | 'closed';
  audio_sha256: string;
  received: { audio_bytes: number; events: Record<string, number> };
}

/**
 * A person at the console: a real Chromium with a spoken sentence as its microphone, the built
 * pages, one server with everything embedded, and the simulated model behind it. No test may leave
 * an error on the browser's console.
 */
describe('the console in a browser', () => {
  let stack: Stack;
  let browser: Browser;
  let dir: string;
  let spoken: SpokenFile;
  const open: ConsolePage[] = [];

  beforeAll(async () => {
    await builtConsole();
    dir = await mkdtemp(join(tmpdir(), 'holdfast-browser-'));
    spoken = await writeSpeech(join(dir, 'microphone.wav'), SPOKEN);
    [stack, browser] = await Promise.all([startStack('embedded'), launchBrowser(spoken.path)]);
  });
  afterAll(async () => {
    await browser?.close();
    await stack?.stop();
    await rm(dir, { recursive: true, force: true });
  });
  beforeEach(() => fetch(`${stack.simulatorUrl}/_simulator/sessions`, { method: 'DELETE' }));
  afterEach(async () => {
    const used = open.splice(0);
    for (const { context } of used) await context.close();
    expect(used.flatMap(({ faults }) => faults)).toEqual([]);
  });

  async function visit(path: string, options: Omit<PageOptions, 'baseURL'> = {}) {
    const visited = await openPage(browser, { baseURL: stack.url, ...options });
    open.push(visited);
    await visited.page.goto(path);
    return visited;
  }

  const get = async <T>(path: string, url = stack.url) =>
    (await (await fetch(`${url}${path}`)).json()) as T;

  /** What the model does in sessions that begin from now on. */
  async function script(turns: Record<string, unknown>[]) {
    const answer = await fetch(`${stack.simulatorUrl}/_simulator/settings`, {
      method: 'PATCH',
      body: JSON.stringify({ script: turns }),
    });
    expect(answer.status).toBe(200);
  }

  /** The one session of this test, as the model sees it. */
  async function upstream(): Promise<Upstream> {
    const { data } = await get<{ data: Upstream[] }>('/_simulator/sessions', stack.simulatorUrl);
    expect(data).toHaveLength(1);
    return data[0]!;
  }

  /** Presses start and waits until the model listens; the answer is our id of the session. */
  async function start(page: Page): Promise<string> {
    await page.getByRole('button', { name: 'Start session' }).click();
    await shows(page, 'Listening');
    return sessionId(page);
  }

  /** Waits until the page shows the state. */
  const shows = (page: Page, state: string) =>
    page.getByRole('region', { name: 'Session' }).getByText(state, { exact: true }).waitFor();

  async function sessionId(page: Page): Promise<string> {
    const id = page.locator('#session-id');
    await expect.poll(() => id.textContent(), WAIT).toMatch(/^ses_/);
    return (await id.textContent())!;
  }

  const turn = (page: Page, role: 'You' | 'Model', text: string) =>
    page
      .getByRole('region', { name: 'Transcript' })
      .getByRole('listitem')
      .filter({
        has: page.getByText(role, { exact: true }),
        hasText: text,
      });

  async function recorded(id: string): Promise<RecordingList['audio_files']> {
    const list = () => get<RecordingList>(`/v1/sessions/${id}/recordings`);
    await expect.poll(async () => (await list()).audio_files.length, WAIT).toBe(1);
    return (await list()).audio_files;
  }

  const ended = (id: string) =>
    expect.poll(async () => (await get<Session>(`/v1/sessions/${id}`)).state, WAIT).toBe('ended');

  it('talks over WebSocket, counts every byte, keeps the recording and plays it', async () => {
    await script([{ heard: SPOKEN, say: ANSWERED }]);
    const { page } = await visit('/voice');
    const id = await start(page);
    await turn(page, 'You', SPOKEN).waitFor();
    await turn(page, 'Model', ANSWERED).waitFor();
    await lookAround(page);
    expect(await barriers(page)).toEqual([]);

    const saving = await holdUploads(page);
    await page.getByRole('button', { name: 'End session' }).click();
    await shows(page, 'Ended');
    await page.getByText('Saving the recording…').waitFor();
    saving.release();
    const [recording] = await recorded(id);
    await page.getByText('Saving the recording…').waitFor({ state: 'detached' });
    expect(await saving.progress()).toEqual(expect.arrayContaining(['0', '100']));
    await ended(id);

    await expect.poll(async () => (await upstream()).state, WAIT).toBe('closed');
    const received = await upstream();
    expect(received.received.audio_bytes).toBeGreaterThan(2 * 24_000 * 3);
    const sent = page.locator('#audio-sent-sha256');
    await expect.poll(() => sent.textContent(), WAIT).toBe(received.audio_sha256);
    await expect
      .poll(() => page.locator('#audio-sent-bytes').getAttribute('data-bytes'), WAIT)
      .toBe(String(received.received.audio_bytes));

    await page.getByRole('link', { name: 'Sessions' }).click();
    await page.getByRole('link', { name: id }).click();
    await readStory(page);
    await listen(page, recording!.measured.duration_s);
  });

  /** Other pages during a session: the session continues, and Home draws it. */
  async function lookAround(page: Page) {
    await page.getByRole('link', { name: 'Sessions' }).click();
    await page.getByRole('table').getByText('Live').waitFor();
    await page.getByRole('link', { name: 'Home' }).click();
    await page.getByRole('region', { name: 'Live now' }).locator('li svg').waitFor();
    await page.getByRole('link', { name: 'Voice' }).click();
    await page.getByRole('button', { name: 'End session' }).waitFor();
  }

  /** Lets uploads wait until `release`, and notes the progress that the page showed. */
  async function holdUploads(page: Page) {
    const { promise, resolve } = Promise.withResolvers<void>();
    await page.route('**/audio/upload', async route => {
      await promise;
      await route.continue();
    });
    const seen = await page.evaluateHandle(() => {
      const values: (string | null)[] = [];
      new MutationObserver(() => {
        const bar = document.querySelector('[role="progressbar"]');
        if (bar) values.push(bar.getAttribute('aria-valuenow'));
      }).observe(document.body, { subtree: true, childList: true, attributes: true });
      return values;
    });
    return { release: resolve, progress: () => seen.jsonValue() };
  }

  /** The session's own page: both voices on the timeline, the same as a table, what was used. */
  async function readStory(page: Page) {
    await page.getByRole('heading', { name: /^Session with/ }).waitFor();
    const timeline = page.getByRole('slider', { name: 'Events of the session' });
    const last = async () => Number(await timeline.getAttribute('aria-valuemax'));
    await expect.poll(last, WAIT).toBeGreaterThan(8);
    await timeline.focus();
    await page.keyboard.press('Home');
    await expect.poll(() => timeline.getAttribute('aria-valuetext'), WAIT).toContain('registered');
    await page.keyboard.press('t');
    await page.getByRole('row', { name: new RegExp(`You said.*${SPOKEN}`) }).waitFor();
    await page.getByRole('row', { name: new RegExp(`Model said.*${ANSWERED}`) }).waitFor();
    await page.keyboard.press('t');
    await timeline.waitFor();
    const total = page.getByRole('row', { name: 'Total tokens' }).getByRole('cell');
    await expect
      .poll(async () => Number((await total.textContent())?.replace(/\D/g, '')), WAIT)
      .toBeGreaterThan(0);
  }

  /** The recording has an outline, decodes to its length with sound in it, and plays. */
  async function listen(page: Page, durationS: number) {
    await expect
      .poll(() => page.locator('[data-part="rest"]').getAttribute('d'), WAIT)
      .toMatch(/\d/);
    const save = page.getByRole('link', { name: /^Save to this device/ });
    const sound = await decodeSound(page, (await save.getAttribute('href'))!);
    // A recorder that gets no processor for a moment leaves a gap, which no decoder fills.
    expect(Math.abs(sound.durationS - durationS)).toBeLessThan(1);
    expect(sound.loudest).toBeGreaterThan(0.05);
    await page.getByRole('button', { name: /^Play/ }).click();
    const position = page.getByRole('slider', { name: 'Position in the recording' });
    await expect.poll(async () => Number(await position.inputValue()), WAIT).toBeGreaterThan(200);
    await page.getByRole('button', { name: /^Pause/ }).click();
    await page.getByRole('button', { name: /^Play/ }).waitFor();
  }

  it('talks over WebRTC: the voice arrives as spoken, and an answer comes back', async () => {
    await script([{ heard: SPOKEN, echo: true }]);
    const { page, context } = await visit('/');
    await notePeers(context);
    await page.goto('/voice');
    await page.getByText('WebRTC', { exact: true }).click();
    await page.getByRole('switch', { name: 'Clean up the microphone' }).uncheck();
    const id = await start(page);
    expect((await get<Session>(`/v1/sessions/${id}`)).transport).toBe('webrtc');
    await turn(page, 'You', SPOKEN).waitFor();
    await turn(page, 'Model', 'simulated').waitFor();
    const call = await upstream();
    expect(call.transport).toBe('webrtc');
    const envelope = `/_simulator/sessions/${call.id}/envelope`;
    const received = async () => (await get<{ rms: number[] }>(envelope, stack.simulatorUrl)).rms;
    await expect
      .poll(async () => bestCorrelation(await received(), spoken.envelope), WAIT)
      .toBeGreaterThan(0.8);
    const backwards = spoken.envelope.toReversed();
    expect(bestCorrelation(await received(), backwards)).toBeLessThan(0.8);
    await expect.poll(() => receivedAudio(page), WAIT).toMatchObject({ audible: true });
    await page.getByRole('button', { name: 'End session' }).click();
    await shows(page, 'Ended');
    await ended(id);
    await expect.poll(async () => (await upstream()).state, WAIT).toBe('closed');
    await recorded(id);
  });

  it('lets the model change the page through its tools, and gives the colours back', async () => {
    await script([
      { heard: SPOKEN, call: { name: 'changeBackgroundColor', arguments: { color: '#d0ebff' } } },
      { call: { name: 'changeTextColor', arguments: { color: 'rgb(8, 64, 96)' } } },
      { call: { name: 'getPageHTML' } },
      { call: { name: 'changeTextColor', arguments: { color: 'url(javascript:1)' } } },
    ]);
    const { page } = await visit('/voice');
    const id = await start(page);
    const before = await bodyColours(page);
    const done = async (name: string, status = 'done') =>
      page.getByRole('listitem').filter({ hasText: name }).getByText(status).first().waitFor();
    await done('changeBackgroundColor');
    await page.getByRole('button', { name: 'Mute' }).click();
    await type(page, 'And the letters darker.');
    await done('changeTextColor');
    const painted = { background: 'rgb(208, 235, 255)', text: 'rgb(8, 64, 96)' };
    await expect.poll(() => bodyColours(page), WAIT).toEqual(painted);
    await type(page, 'What is on this page?');
    await done('getPageHTML');
    await type(page, 'Now something wicked.');
    await done('changeTextColor', 'failed');
    expect(await bodyColours(page)).toEqual(painted);
    await page.getByRole('button', { name: 'Reset colours' }).click();
    await expect.poll(() => bodyColours(page), WAIT).toEqual(before);
    await page.getByRole('button', { name: 'End session' }).click();
    await recorded(id);
    await ended(id);
    expect(await toolOutputs(id)).toEqual([
      { ok: true, color: '#d0ebff' },
      { ok: true, color: 'rgb(8, 64, 96)' },
      { title: 'Voice · Holdfast', html: expect.stringContaining('changeTextColor'), cut: false },
      { error: expect.stringContaining('CSS colour') },
    ]);
  });

  async function type(page: Page, text: string) {
    await page.getByRole('textbox', { name: 'Message' }).fill(text);
    await page.keyboard.press('Enter');
  }

  const bodyColours = (page: Page) =>
    page.evaluate(() => {
      const { backgroundColor, color } = getComputedStyle(document.body);
      return { background: backgroundColor, text: color };
    });

  /** What the tools answered, from the session's log. */
  async function toolOutputs(id: string): Promise<unknown[]> {
    const { data } = await get<{ data: EventEnvelope[] }>(`/v1/sessions/${id}/events?limit=500`);
    return data
      .filter(({ type: name }) => name === 'tool.returned')
      .map(event => JSON.parse((event.data as { output: string }).output));
  }

  it('keeps a recording that could not be uploaded, and sends it after a reload', async () => {
    await script([{ say: 'I heard you.' }]);
    const { page, expectFault } = await visit('/voice');
    const id = await start(page);
    await type(page, 'Remember this.');
    await turn(page, 'Model', 'I heard you.').waitFor();
    expectFault(
      /ERR_CONNECTION_RESET|507/,
      'the browser reports the uploads that this test spoils',
    );
    let answer: 'reset' | 'full' | 'real' = 'reset';
    await page.route('**/audio/upload', route => {
      if (answer === 'reset') return route.abort('connectionreset');
      if (answer === 'full') return route.fulfill({ status: 507, json: STORAGE_FULL });
      return route.continue();
    });
    await page.getByRole('button', { name: 'End session' }).click();
    await page.getByText('kept in this browser').waitFor();
    await page.getByText('The server cannot be reached.').waitFor();
    expect(await barriers(page)).toEqual([]);

    await page.reload();
    const again = page.getByRole('button', { name: 'Upload again' });
    answer = 'full';
    await again.click();
    await page.getByText("The server's storage is full.").waitFor();
    answer = 'real';
    await again.click();
    await again.waitFor({ state: 'detached' });
    const [recording] = await recorded(id);
    expect(recording!.metadata.transcription).toContain('Remember this.');
    await page.reload();
    await page.getByRole('button', { name: 'Start session' }).waitFor();
    expect(await again.count()).toBe(0);
  });

  it('works by keyboard alone, and in Japanese when that is chosen', async () => {
    await script([{ say: ANSWERED }]);
    const { page } = await visit('/');
    await page.getByRole('heading', { name: 'Home', level: 1 }).waitFor();
    const readyMs = await page.evaluate(() => Math.round(performance.now()));
    console.info(`the first page was interactive ${readyMs} ms after it was asked for`);

    await page.keyboard.press('Tab');
    await expectFocus(page.getByRole('link', { name: 'Skip to the content' }));
    await press(page, 'g', 'v');
    await tabTo(page, page.getByRole('button', { name: 'Start session' }));
    await page.keyboard.press('Enter');
    await shows(page, 'Listening');
    await tabTo(page, page.getByRole('textbox', { name: 'Message' }));
    await page.keyboard.type('Hello?');
    await page.keyboard.press('Enter');
    await turn(page, 'Model', ANSWERED).waitFor();
    await page.keyboard.press('Shift+Tab');
    await tabTo(page, page.getByRole('button', { name: 'End session' }), 'Shift+Tab');
    await page.keyboard.press('Enter');
    await shows(page, 'Ended');

    await press(page, '?');
    const help = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
    await help.waitFor();
    expect(await barriers(page)).toEqual([]);
    await press(page, 'Escape');
    await help.waitFor({ state: 'detached' });

    await press(page, '/');
    await expectFocus(page.getByRole('searchbox', { name: 'Search sessions' }));
    await page.keyboard.type('nothing like it');
    await page.getByText('No session matches.').waitFor();
    await press(page, 'Escape', 'g', 'e');
    await tabTo(page, page.getByRole('combobox', { name: 'Language' }));
    await press(page, 'ArrowDown');
    await page.getByRole('heading', { name: '設定', level: 1 }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: '設定', level: 1 }).waitFor();
    expect(await page.locator('html').getAttribute('lang')).toBe('ja');
    await press(page, 'g', 'v');
    await tabTo(page, page.getByRole('button', { name: 'セッションを開始' }));
  });

  const expectFocus = (element: Locator) =>
    expect.poll(() => element.evaluate(node => node === document.activeElement), WAIT).toBe(true);

  async function press(page: Page, ...keys: string[]) {
    for (const key of keys) await page.keyboard.press(key);
  }

  /** Presses Tab until the element has the focus, a bounded number of times. */
  async function tabTo(page: Page, element: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab') {
    await element.and(page.locator(':not(:disabled)')).waitFor();
    for (let presses = 0; presses < 30; presses++) {
      if (await element.evaluate(node => node === document.activeElement)) return;
      await page.keyboard.press(key);
    }
    throw new Error(`${element} was not reached by ${key}`);
  }

  it('has its pages behind a menu on a phone, by touch and by keys', async () => {
    const { page } = await visit('/');
    await page.setViewportSize({ width: 390, height: 844 });
    const burger = page.getByRole('button', { name: 'Menu' });
    const sessions = page.getByRole('link', { name: 'Sessions', exact: true });
    await burger.waitFor();
    expect(await sessions.count()).toBe(0);
    expect(await barriers(page)).toEqual([]);
    await burger.click();
    await sessions.waitFor();
    expect(await barriers(page)).toEqual([]);
    await tabTo(page, sessions);
    await press(page, 'Escape');
    await sessions.waitFor({ state: 'detached' });
    await expectFocus(burger);
    await press(page, 'Enter');
    await tabTo(page, sessions);
    await press(page, 'Enter');
    await page.getByRole('heading', { name: 'Sessions', level: 1 }).waitFor();
    await sessions.waitFor({ state: 'detached' });
  });

  it('says beside the start of a call when a sign-in ends that cannot be renewed', async () => {
    const { page } = await visit('/');
    const endsAt = new Date(Date.now() + 8 * 60_000).toISOString();
    await page.route('**/v1/me', async route => {
      const response = await route.fetch();
      const me = (await response.json()) as object;
      await route.fulfill({ response, json: { ...me, sign_in_ends_at: endsAt } });
    });
    const warning = 'Your sign-in cannot be renewed.';
    await page.goto('/voice');
    const session = page.getByRole('region', { name: 'Session' });
    await session.getByText(warning).waitFor();
    await session.getByText(/^in [78] minutes$/).waitFor();
    await page.goto('/settings');
    await page.getByRole('region', { name: 'Your account' }).getByText(warning).waitFor();
  });

  it('has no barriers on any page, in both languages, light and dark', async () => {
    await script([{ say: ANSWERED }]);
    const { page } = await visit(`/auth/local?token=${stack.servers[0]!.adminToken}`);
    await page.goto('/voice');
    const id = await start(page);
    await type(page, 'Only for the record.');
    await turn(page, 'Model', ANSWERED).waitFor();
    await page.getByRole('button', { name: 'End session' }).click();
    await recorded(id);
    const session = `/sessions/${id}`;
    const pages = ['/', '/voice', '/sessions', `${session}?at=2`, `${session}?table=true`];
    const found: string[] = [];
    for (const language of ['en', 'ja']) {
      await page.evaluate(
        value => localStorage.setItem('holdfast-preferences', JSON.stringify({ language: value })),
        language,
      );
      for (const path of [...pages, '/settings']) {
        await page.goto(path);
        await page.getByRole('heading', { level: 1 }).waitFor();
        await expect.poll(() => page.locator(UNFINISHED).count(), WAIT).toBe(0);
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
          const here = `${language} ${colorScheme} ${path}`;
          found.push(...(await barriers(page)).map(barrier => `${here}: ${barrier}`));
        }
      }
    }
    expect(found).toEqual([]);
  });
});

const STORAGE_FULL = { code: 'storage_full', detail: 'No room.', request_id: 'req_test' };
/** Places that a page holds for what is still being loaded. */
const UNFINISHED = '[data-pending]';
