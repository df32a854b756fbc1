import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { builtConsole } from '../../tools/services/shared.ts';
import { startTcpProxy, type TcpProxy } from '../../tools/services/tcp-proxy.ts';
import { launchBrowser, openPage } from './harness/browser.ts';
import { writeSpeech } from './harness/speech.ts';
import { type Stack, startStack } from './harness/stacks.ts';

const WAIT = { timeout: 30_000 };

let stack: Stack;
let browser: Browser;
let proxy: TcpProxy;
let dir: string;
beforeAll(async () => {
  await builtConsole();
  dir = await mkdtemp(join(tmpdir(), 'holdfast-line-'));
  const spoken = await writeSpeech(
    join(dir, 'microphone.wav'),
    'One two three four five six seven',
  );
  [stack, browser] = await Promise.all([startStack('embedded'), launchBrowser(spoken.path)]);
  proxy = await startTcpProxy(Number(new URL(stack.url).port));
});
afterAll(async () => {
  await browser?.close();
  await proxy?.stop();
  await stack?.stop();
  await rm(dir, { recursive: true, force: true });
});

interface Upstream {
  audio_sha256: string;
  state: string;
}

it('a line that is lost while somebody talks costs nothing, and the page says so', async () => {
  const url = `http://127.0.0.1:${proxy.port}`;
  const { page, context, expectFault, faults } = await openPage(browser, { baseURL: url });
  expectFault(/WebSocket|ERR_|Failed to load/, 'the line is cut');
  await page.goto('/voice');
  await page.getByRole('button', { name: 'Start session' }).click();
  const region = page.getByRole('region', { name: 'Session' });
  await region.getByText('Listening', { exact: true }).waitFor();
  const id = page.locator('#session-id');
  await expect.poll(() => id.textContent(), WAIT).toMatch(/^ses_/);
  const before = await id.textContent();
  for (const howLost of ['cut', 'silent'] as const) {
    proxy.refuse(true);
    if (howLost === 'cut') proxy.cut();
    else proxy.silence(true);
    await page.getByText('Connection lost. Reconnecting…').waitFor();
    if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}-away.png` });
    await new Promise(resolve => setTimeout(resolve, 1_500));
    proxy.silence(false);
    proxy.refuse(false);
    await page.getByText('Connected again.').waitFor();
    if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}-back.png` });
  }
  expect(await id.textContent()).toBe(before);
  await page.getByRole('button', { name: 'End session' }).click();
  await region.getByText('Ended', { exact: true }).waitFor();
  const upstream = async () => {
    const answer = await fetch(`${stack.simulatorUrl}/_simulator/sessions`);
    return ((await answer.json()) as { data: Upstream[] }).data;
  };
  await expect.poll(async () => (await upstream())[0]?.state, WAIT).toBe('closed');
  const [heard, ...others] = await upstream();
  expect(others).toEqual([]);
  await expect
    .poll(() => page.locator('#audio-sent-sha256').textContent(), WAIT)
    .toBe(heard!.audio_sha256);
  expect(faults).toEqual([]);
  await context.close();
});
