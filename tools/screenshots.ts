/**
 * Takes the pictures of the README again: `npx node tools/screenshots.ts`, by hand, after the
 * console has changed its looks. It starts the simulated model and a server with an empty data
 * folder, talks to it from the system's Chromium, and writes `docs/images/*.png`. The Japanese
 * picture needs a Japanese font on the machine (Debian: `fonts-noto-cjk`). Look at the result
 * before it is committed.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser, openPage } from '../tests/e2e/harness/browser.ts';
import { startProcess, type TestProcess } from '../tests/e2e/harness/process.ts';
import { writeSpeech } from '../tests/e2e/harness/speech.ts';
import { ROOT } from './start/children.ts';
import { buildConsoleWhenStale } from './start/console-build.ts';
import { planStart, simulatedUpstream } from './start/plan.ts';

const IMAGES = join(ROOT, 'docs/images');
/** A conversation of three spoken turns takes half a minute. */
const TALK_TIMEOUT_MS = 60_000;
const WIDTH_PX = 1280;
const VOICE_HEIGHT_PX = 1000;
const SESSION_HEIGHT_PX = 1100;
const TASK_HEIGHT_PX = 900;
const TURNED_TO = { color: '#e8f4f0' };

/** The simulated voice beeps once a word; a hair space parts words without being seen. */
const words = (text: string) => text.replaceAll('|', '\u200a');

interface Scene {
  readonly locale: 'en-GB' | 'ja-JP';
  readonly picture: string;
  readonly start: string;
  readonly close: string;
  readonly reset: string;
  readonly turns: readonly Record<string, unknown>[];
  /** The last turn before the picture is taken. */
  readonly until: string;
}

const ENGLISH: Scene = {
  locale: 'en-GB',
  picture: 'voice.png',
  start: 'Start session',
  close: 'End session',
  reset: 'Reset colours',
  turns: [
    { heard: 'Good morning. Can you hear me?', say: 'Good morning. I hear you well.' },
    {
      heard: 'Please give this page a calm green background.',
      call: { name: 'changeBackgroundColor', arguments: TURNED_TO },
    },
    {
      heard: 'That is nice. What did we talk about?',
      say: 'You said good morning, I said I hear you well, and then I painted the page green.',
    },
  ],
  until: 'painted the page green.',
};

const JAPANESE: Scene = {
  locale: 'ja-JP',
  picture: 'voice-ja.png',
  start: 'セッションを開始',
  close: 'セッションを終了',
  reset: '色を元に戻す',
  turns: [
    {
      heard: 'おはようございます。聞こえますか。',
      say: words('おはよう|ござい|ます。|よく|聞こえて|います。'),
    },
    {
      heard: '画面の背景を、落ち着いた緑にしてください。',
      call: { name: 'changeBackgroundColor', arguments: TURNED_TO },
    },
    {
      heard: 'いいですね。ここまでの話をまとめてください。',
      say: words(
        'ご挨拶を|して|から、|画面の|背景を|ご希望の|とおり|落ち|着いた|緑色に|変え|まし|た。',
      ),
    },
  ],
  until: words('変え|まし|た。'),
};

async function main(): Promise<void> {
  const { fault } = await buildConsoleWhenStale();
  if (fault !== null) throw new Error(fault);
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-pictures-'));
  const { path } = await writeSpeech(join(dir, 'microphone.wav'), 'Can you hear me, and more?');
  const simulator = startProcess(join(ROOT, 'packages/simulator/src/main.ts'), {});
  const simulatorUrl = await listeningUrl(simulator);
  const server = startProcess(join(ROOT, 'packages/server/src/main.ts'), {
    ...planStart({}, {}).added,
    ...simulatedUpstream(simulatorUrl),
    PORT: '0',
    HOLDFAST_DATA_DIR: join(dir, 'data'),
  });
  const browser = await launchBrowser(path);
  try {
    await mkdir(IMAGES, { recursive: true });
    await takePictures(browser, { baseURL: await listeningUrl(server), simulatorUrl });
  } finally {
    await browser.close();
    await server.stop();
    await simulator.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

async function listeningUrl({ waitFor }: TestProcess): Promise<string> {
  return String((await waitFor(line => line.event === 'listening')).url);
}

async function takePictures(
  browser: Browser,
  where: { baseURL: string; simulatorUrl: string },
): Promise<void> {
  for (const scene of [JAPANESE, ENGLISH]) {
    await fetch(`${where.simulatorUrl}/_simulator/settings`, {
      method: 'PATCH',
      body: JSON.stringify({ script: scene.turns }),
    });
    const { page, context } = await openPage(browser, { ...where, locale: scene.locale });
    page.setDefaultTimeout(TALK_TIMEOUT_MS);
    await talk(page, scene);
    if (scene === ENGLISH) {
      await showSession(page);
      await showTask(page);
    }
    await context.close();
  }
}

/** Talks until the last answer is being spoken, takes the picture, and closes the session. */
async function talk(page: Page, scene: Scene): Promise<void> {
  await page.setViewportSize({ width: WIDTH_PX, height: VOICE_HEIGHT_PX });
  await page.goto('/voice');
  await page.getByRole('button', { name: scene.start }).click();
  await page.getByRole('listitem').getByText(scene.until).waitFor();
  await inState(page, 'speaking');
  await page.mouse.move(0, 0);
  await shoot(page, scene.picture);
  await inState(page, 'listening');
  await page.getByRole('button', { name: scene.close }).click();
  await page.getByRole('button', { name: scene.reset }).click();
  await page.locator('section[aria-labelledby="uploads"]').waitFor({ state: 'detached' });
}

const inState = (page: Page, state: string) => page.locator(`p[data-state="${state}"]`).waitFor();

/** The session that has just ended, at the moment when the tool was called. */
async function showSession(page: Page): Promise<void> {
  await page.setViewportSize({ width: WIDTH_PX, height: SESSION_HEIGHT_PX });
  await page.getByRole('link', { name: 'See the session' }).click();
  await page.locator('[data-part="rest"]').waitFor();
  await page.keyboard.press('t');
  await page
    .getByRole('row', { name: /Tool called/ })
    .getByRole('button')
    .click();
  await page.getByRole('button', { pressed: true }).waitFor();
  await page.keyboard.press('t');
  await page.getByRole('slider', { name: 'Events of the session' }).waitFor();
  await page.mouse.move(0, 0);
  await shoot(page, 'session.png');
}

/** The sample task, done by the built-in agent: its diff. */
async function showTask(page: Page): Promise<void> {
  await page.setViewportSize({ width: WIDTH_PX, height: TASK_HEIGHT_PX });
  await page.goto('/tasks');
  await page.getByRole('button', { name: 'Try the sample repository' }).click();
  const run = page.getByRole('article', { name: 'Run of Built-in agent' });
  await run.getByRole('button', { name: 'Pick' }).waitFor();
  await page.getByRole('button', { name: 'Dismiss' }).click();
  await run.getByRole('tab', { name: 'Diff' }).click();
  await run.getByText('return a + b;').first().waitFor();
  await page.mouse.move(0, 0);
  await shoot(page, 'task.png');
}

async function shoot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(IMAGES, name), animations: 'disabled' });
  console.info(`docs/images/${name}`);
}

await main();
