/** Limits in the console, in a real browser: what Admins set holds for the key at once. */
import type { LimitList } from '@holdfast/protocol';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { builtConsole } from '../../tools/services/shared.ts';
import { type LocalApplication, startApplication } from './harness/application.ts';
import { barriers, type ConsolePage, launchBrowser, openPage } from './harness/browser.ts';
import { type PageHeaders, RunsApi, signIn } from './harness/runs.ts';

const ADMIN_TOKEN = 'admin-link-of-the-limits-tests-0123456789';

let server: LocalApplication;
let baseURL: string;
let admin: PageHeaders;
let api: RunsApi;
let browser: Browser;
const open: ConsolePage[] = [];

beforeAll(async () => {
  await builtConsole();
  const env = {
    OPENAI_API_KEY: 'a-key-that-nothing-is-asked-with',
    HOLDFAST_ADMIN_LINK_TOKEN: ADMIN_TOKEN,
    HOLDFAST_RATE_LIMIT_PER_MINUTE: '600',
    HOLDFAST_RATE_LIMIT_BURST: '100',
  };
  [server, browser] = await Promise.all([startApplication(env), launchBrowser('')]);
  baseURL = `http://127.0.0.1:${server.port}`;
  admin = await signIn({ url: baseURL, adminToken: ADMIN_TOKEN });
  api = new RunsApi(baseURL, admin);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});
afterEach(async () => {
  const used = open.splice(0);
  for (const { context } of used) await context.close();
  expect(used.flatMap(({ faults }) => faults)).toEqual([]);
});

async function visit(as: 'reader' | 'Admin'): Promise<Page> {
  const signedIn = as === 'Admin' ? admin : undefined;
  const visited = await openPage(browser, { baseURL, signedIn });
  open.push(visited);
  await visited.page.goto('/settings');
  return visited.page;
}

it('shows what holds for whom, and lets Admins set it for a key', async () => {
  const { key, id } = (await (
    await fetch(`${baseURL}/v1/api-keys`, {
      method: 'POST',
      headers: { ...admin, origin: baseURL, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Telephony', role: 'Developer' }),
    })
  ).json()) as { key: string; id: string };
  const reader = await visit('reader');
  const shown = reader.getByRole('region', { name: 'Limits' });
  await shown.getByRole('row', { name: 'Each API key 100 600 100' }).waitFor();
  await shown.getByRole('row', { name: /The project as a whole not limited/ }).waitFor();
  expect(await shown.getByRole('button').count()).toBe(0);

  const page = await visit('Admin');
  const section = page.getByRole('region', { name: 'Limits' });
  await section.getByRole('button', { name: 'Set limits' }).click();
  const form = page.getByRole('dialog', { name: 'Set limits' });
  await form.getByLabel('Of what').selectOption(id);
  await form.getByText('Empty: as the settings say (600).').waitFor();
  await form.getByLabel('Active sessions').fill('0');
  expect(await form.getByRole('button', { name: 'Set the limits' }).isEnabled()).toBe(false);
  await form.getByLabel('Active sessions').fill('40');
  await form.getByLabel('Of them at once').fill('1');
  expect(await barriers(page)).toEqual([]);
  await form.getByRole('button', { name: 'Set the limits' }).click();
  await section.getByRole('row', { name: /Telephony .* 40 600 1/ }).waitFor();
  const [limit] = (await api.get<LimitList>('/v1/limits')).data;
  expect(limit).toMatchObject({ subject: id, max_sessions: 40, request_burst: 1 });
  const mint = async () => {
    const headers = { authorization: `Bearer ${key}` };
    const init = { method: 'POST', headers };
    return (await fetch(`${baseURL}/v1/realtime/client_secrets`, init)).status;
  };
  // Ten a second are allowed besides: so many at once are refused on a slow machine, too.
  const statuses = await Promise.all(Array.from({ length: 40 }, mint));
  expect(new Set(statuses)).toEqual(new Set([200, 429]));
});
