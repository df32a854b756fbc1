import { readFile } from 'node:fs/promises';
import type { Budget, HostedTools, ProviderKey, Repo, Run, Task } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findBubblewrap } from '../../tools/services/binaries.ts';
import { builtConsole } from '../../tools/services/shared.ts';
import { type LocalApplication, startApplication } from './harness/application.ts';
import { barriers, type ConsolePage, launchBrowser, openPage } from './harness/browser.ts';
import { type PageHeaders, RunsApi, signIn } from './harness/runs.ts';
import { startSimulatorProcess, UPSTREAM_KEY } from './harness/stacks.ts';

const WAIT = { timeout: 60_000 };
/** Places that a page holds for what is still being loaded. */
const UNFINISHED = '[data-pending]';

const ADMIN_TOKEN = 'admin-link-of-the-browser-tests-0123456789';
/** A run that is still at work when the page opens. */
const LONG = '[[simulate: steps 9]] [[simulate: slow 1200]] Write notes.';

/**
 * Tasks in the console in a real browser, for users and an Admin: the built pages, one embedded
 * server, no keys. The first test leaves a picked run behind, on which the others go on.
 */
describe('tasks in the console', () => {
  let simulator: Awaited<ReturnType<typeof startSimulatorProcess>>;
  let server: LocalApplication;
  let baseURL: string;
  let admin: PageHeaders;
  let browser: Browser;
  let api: RunsApi;
  const open: ConsolePage[] = [];

  beforeAll(async () => {
    await builtConsole();
    await findBubblewrap();
    simulator = await startSimulatorProcess();
    const env = {
      OPENAI_BASE_URL: `${simulator.url}/v1`,
      OPENAI_API_KEY: UPSTREAM_KEY,
      HOLDFAST_ADMIN_LINK_TOKEN: ADMIN_TOKEN,
    };
    [server, browser] = await Promise.all([startApplication(env), launchBrowser('')]);
    baseURL = `http://127.0.0.1:${server.port}`;
    admin = await signIn({ url: baseURL, adminToken: ADMIN_TOKEN });
    api = new RunsApi(baseURL, admin);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await simulator?.process.kill();
  });
  afterEach(async () => {
    const used = open.splice(0);
    for (const { context } of used) await context.close();
    expect(used.flatMap(({ faults }) => faults)).toEqual([]);
  });

  async function visitPage(path: string, as: 'Developer' | 'Admin' = 'Developer') {
    const signedIn = as === 'Admin' ? admin : undefined;
    const visited = await openPage(browser, { baseURL, signedIn });
    open.push(visited);
    await visited.page.goto(path);
    return visited;
  }

  const visit = async (path: string, as: 'Developer' | 'Admin' = 'Developer') =>
    (await visitPage(path, as)).page;

  const tasks = async () => (await api.get<{ data: Task[] }>('/v1/tasks')).data;
  const runsOf = async (task: Task) =>
    (await api.get<{ data: Run[] }>(`/v1/tasks/${task.id}/runs`)).data;
  const called = async (title: string) => (await tasks()).find(task => task.title === title)!;
  const dialog = (page: Page, name: string) => page.getByRole('dialog', { name });
  /** What answers an act in the corner of the page. */
  const notice = (page: Page, text: string) =>
    page.locator('.mantine-Notification-root').filter({ hasText: text });
  const withoutBarriers = async (page: Page) => expect(await barriers(page)).toEqual([]);

  it('shows the sample task being done, over a reload, and the patch to take', async () => {
    const page = await visit('/tasks');
    await page.getByRole('button', { name: 'Try the sample repository' }).click();
    await page.getByRole('heading', { level: 1, name: 'Fix the failing test' }).waitFor();
    const column = page.getByRole('article', { name: 'Run of Built-in agent' });
    await column.getByText('I read sum.js.').waitFor();
    await page.reload();
    await column.getByText('Succeeded').first().waitFor(WAIT);
    // All of it, the beginning too, and each once.
    for (const said of ['I look at what is there.', 'I read sum.js.', 'I run the tests.']) {
      await expect.poll(() => column.getByText(said, { exact: true }).count(), WAIT).toBe(1);
    }
    await column.getByRole('tab', { name: 'Diff' }).click();
    await expect.poll(() => column.innerText(), WAIT).toContain('return a + b;');
    await column.getByRole('tab', { name: 'Tests' }).click();
    const tests = page.getByRole('region', { name: 'Tests of Built-in agent' });
    await tests.getByRole('heading', { name: 'After' }).waitFor();
    await column.getByRole('button', { name: 'Pick' }).click();
    const [task] = await tasks();
    await expect.poll(async () => (await runsOf(task!))[0]?.picked, WAIT).toBe(true);
    await column.getByRole('tab', { name: 'Log' }).click();
    const saving = page.waitForEvent('download');
    await column.getByRole('link', { name: 'Download the log of Built-in agent' }).click();
    expect(await readFile(await (await saving).path(), 'utf8')).toContain('I read sum.js.');
    await page.goto('/tasks');
    const done = page.getByRole('region', { name: 'Done' });
    await done.getByText('Fix the failing test').waitFor();
  });

  it('creates a task, starts it later, messages its running agents, and stops them', async () => {
    const page = await visit('/tasks');
    await page.getByRole('button', { name: 'New task' }).click();
    const form = dialog(page, 'New task');
    await form.getByLabel('Title').fill('Write notes');
    await form.getByLabel('Instruction').fill(LONG);
    const agents = form.getByRole('group', { name: 'Agents, side by side' });
    await form.getByRole('button', { name: 'Start 1 run' }).waitFor();
    await withoutBarriers(page);
    expect(await agents.getByRole('checkbox', { name: 'Codex' }).isDisabled()).toBe(true);
    await agents.getByRole('checkbox', { name: 'Built-in agent' }).uncheck();
    await form.getByRole('button', { name: 'Create without starting' }).click();
    await page.getByText('No run yet.').waitFor();
    expect(await runsOf(await called('Write notes'))).toEqual([]);

    await page.getByRole('button', { name: 'Start 1 run' }).click();
    const column = page.getByRole('article', { name: 'Run of Built-in agent' });
    await column.waitFor();
    await page.getByLabel('What next?').fill('In English, please.');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Message 2', { exact: true }).waitFor();
    await column.getByRole('button', { name: 'Cancel' }).click();
    await column.getByText('Canceled').first().waitFor(WAIT);
  });

  it('goes on from a picked run with another message', async () => {
    const task = await called('Fix the failing test');
    const [picked] = await runsOf(task);
    const page = await visit(`/tasks/${task.id}`);
    await page.getByLabel('What next?').fill(LONG);
    const from = page.getByLabel('Continue from');
    expect(await from.locator('option:checked').innerText()).toContain('Picked');
    await page.getByRole('button', { name: 'Start 1 run' }).click();
    await expect.poll(async () => (await runsOf(task)).length, WAIT).toBe(2);
    const follower = (await runsOf(task)).find(run => run.id !== picked!.id)!;
    expect(follower).toMatchObject({ continues: picked!.id, agent: 'builtin' });
    expect(follower.message_id).not.toBe(picked!.message_id);
    await api.post(`/v1/runs/${follower.id}/cancel`);
    await api.until(follower.id, 'run.canceled');
  });

  it('moves a task by keys alone, and the focus follows', async () => {
    await api.post('/v1/tasks', {
      repo_id: (await api.sample()).id,
      title: 'Some day',
      instruction: 'Think.',
    });
    const page = await visit('/tasks');
    await page.getByRole('button', { name: 'Move Some day' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('[role=menuitem]:focus', { hasText: 'Backlog' }).waitFor();
    await withoutBarriers(page);
    await page.keyboard.press('Enter');
    const backlog = page.getByRole('region', { name: 'Backlog' });
    await backlog.locator('button:focus').waitFor();
    expect((await called('Some day')).column).toBe('backlog');
    await notice(page, 'Some day is now in Backlog.').waitFor();
    await page.keyboard.press('Enter');
    // The menu takes the focus a moment after it is shown.
    await page.locator('[role=menuitem]:focus').waitFor();
    await page.keyboard.press('End');
    await page.locator('[role=menuitem]:focus', { hasText: 'Archived' }).waitFor();
    await page.keyboard.press('Enter');
    await expect.poll(async () => (await called('Some day')).column).toBe('archived');
    await backlog.getByText('Ideas for later.').waitFor();
  });

  it('reports what the server refuses, cut to a readable length', async () => {
    const { id } = await called('Some day');
    const { page, expectFault } = await visitPage(`/tasks/${id}`);
    expectFault(/409/, 'the browser reports the refusal that this test makes');
    await page.route('**/v1/tasks/*', route =>
      route.request().method() === 'PATCH'
        ? route.fulfill({
            status: 409,
            contentType: 'application/problem+json',
            json: { code: 'conflict', detail: `The queue is closed. ${'x'.repeat(5000)}` },
          })
        : route.fallback(),
    );
    await page.getByRole('button', { name: /^Column:/ }).click();
    await page.getByRole('menuitem', { name: 'Backlog' }).click();
    const refused = notice(page, 'The queue is closed.');
    await refused.waitFor();
    expect((await refused.innerText()).length).toBeLessThan(500);
    await withoutBarriers(page);
    await refused.getByRole('button', { name: 'Dismiss' }).click();
    await refused.waitFor({ state: 'detached' });
  });

  it('keeps the styles of a page whichever page was shown before', async () => {
    const { id } = await called('Fix the failing test');
    const page = await visit(`/tasks/${id}`);
    const looks = () =>
      page.getByRole('region', { name: 'Conversation' }).evaluate(region => {
        const { position, height, display } = getComputedStyle(region.parentElement!);
        const message = getComputedStyle(region.querySelector('li')!);
        return { position, height, display, message: message.display };
      });
    await page.getByRole('region', { name: 'Conversation' }).waitFor();
    await page.getByText('Message 2', { exact: true }).waitFor();
    const before = await looks();
    await page.getByRole('link', { name: 'Voice' }).click();
    await page.getByRole('heading', { level: 1, name: 'Voice' }).waitFor();
    await page.goBack();
    await page.getByText('Message 2', { exact: true }).waitFor();
    expect(await looks()).toEqual(before);
  });

  it('changes how a repository is tested', async () => {
    const page = await visit('/tasks/repos');
    await page.getByRole('button', { name: 'Edit sample' }).click();
    const form = dialog(page, 'Edit sample');
    await form.getByLabel('Test command').fill('npm test');
    await withoutBarriers(page);
    await form.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('cell', { name: 'npm test' }).waitFor();
    const { default_branch } = (await api.get<{ data: Repo[] }>('/v1/repos')).data[0]!;
    expect(default_branch).not.toBeNull();
  });

  it('puts a dead letter back into its queue', async () => {
    const [run] = await runsOf(await called('Write notes'));
    await sql`insert into pgboss.job (name, source_name, data)
      values ('agent-dead', 'agent', ${JSON.stringify({ run_id: run!.id })}::jsonb)
    `.execute(server.platform.database.db);
    const reader = await visit('/queue');
    const letters = (page: Page) => page.getByRole('region', { name: 'Dead letters' });
    await letters(reader).getByRole('link', { name: 'Write notes' }).waitFor();
    expect(await letters(reader).getByRole('button').count()).toBe(0);
    const page = await visit('/queue', 'Admin');
    const redrive = letters(page).getByRole('button', { name: 'Redrive' });
    await redrive.waitFor();
    await withoutBarriers(page);
    await redrive.click();
    await letters(page).getByText('There are no dead letters.').waitFor();
  });

  it('sets a budget, sees what is spent of it, changes it and takes it away', async () => {
    const budgets = async () => (await api.get<{ data: Budget[] }>('/v1/budgets')).data;
    const page = await visit('/settings', 'Admin');
    const section = page.getByRole('region', { name: 'Budgets' });
    await section.getByText('There are no budgets.').waitFor();
    await section.getByRole('button', { name: 'Set a budget' }).click();
    let form = dialog(page, 'Set a budget');
    await form.getByLabel('Limit in US dollars').fill('500');
    await withoutBarriers(page);
    await form.getByRole('button', { name: 'Set the limit' }).click();
    await section.getByRole('meter', { name: /^Spent: The project/ }).waitFor();
    const [{ spent_usd: spent }] = (await budgets()) as [Budget & { spent_usd: number }];
    expect(spent).toBeGreaterThan(0);

    await section.getByRole('button', { name: /^Change the budget/ }).click();
    form = dialog(page, 'Change the limit');
    // What is spent is 95 % of it.
    await form.getByLabel(/^Limit in US dollars/).fill(String(spent / 0.95));
    await form.getByRole('button', { name: 'Set the limit' }).click();
    await section.getByText('90 % reached').waitFor();
    await withoutBarriers(page);

    const reader = await visit('/settings');
    const shown = reader.getByRole('region', { name: 'Budgets' });
    await shown.getByRole('meter').waitFor();
    expect(await shown.getByRole('button').count()).toBe(0);

    await section.getByRole('button', { name: /^Remove the budget/ }).click();
    form = dialog(page, 'Remove this budget?');
    await form.getByRole('button', { name: 'Remove' }).click();
    await section.getByText('There are no budgets.').waitFor();
    expect(await budgets()).toEqual([]);
  });

  it("stores a provider's key and never shows it", async () => {
    const keys = async () => (await api.get<{ data: ProviderKey[] }>('/v1/provider-keys')).data;
    const page = await visit('/settings', 'Admin');
    const section = page.getByRole('region', { name: 'Provider keys' });
    await section.getByRole('button', { name: 'Enter a key' }).click();
    let form = dialog(page, "Enter a provider's key");
    await form.getByLabel('Provider').selectOption('Anthropic');
    await form.getByLabel('Name').fill('Research');
    await form.getByLabel('Key').fill('too short');
    await withoutBarriers(page);
    expect(await form.getByRole('button', { name: 'Save the key' }).isDisabled()).toBe(true);
    await form.getByLabel('Key').fill('sk-first-0123456789-Qz4A');
    await form.getByRole('button', { name: 'Save the key' }).click();
    await section.getByRole('cell', { name: '…Qz4A' }).waitFor();

    await section.getByRole('button', { name: 'Replace the key for Anthropic' }).click();
    form = dialog(page, 'Replace the key');
    await form.getByLabel('Key').fill('sk-second-0123456789-9fK2');
    await form.getByRole('button', { name: 'Save the key' }).click();
    await section.getByRole('cell', { name: '…9fK2' }).waitFor();
    expect(await keys()).toMatchObject([{ provider: 'anthropic', name: 'Research', hint: '9fK2' }]);
    expect(await page.content()).not.toMatch(/sk-(first|second)/);

    await section.getByRole('button', { name: 'Remove the key for Anthropic' }).click();
    form = dialog(page, 'Remove this key?');
    await form.getByRole('button', { name: 'Remove' }).click();
    await section.getByText('The project has no keys of its own.').waitFor();
    expect(await keys()).toEqual([]);
  });

  it('allows what a provider may do itself, and takes it back', async () => {
    const allowed = async () => (await api.get<HostedTools>('/v1/hosted-tools')).allowed;
    const page = await visit('/settings', 'Admin');
    const name = 'What providers may do themselves';
    const section = page.getByRole('region', { name });
    const search = section.getByRole('switch', { name: 'Search the web' });
    await search.click();
    await page.getByText('web_search is allowed.').first().waitFor();
    await withoutBarriers(page);
    expect(await allowed()).toEqual(['web_search']);

    const reader = await visit('/settings');
    const shown = reader
      .getByRole('region', { name })
      .getByRole('switch', { name: 'Search the web' });
    await shown.waitFor();
    expect([await shown.isChecked(), await shown.isDisabled()]).toEqual([true, true]);

    await search.click();
    await page.getByText('web_search is refused.').first().waitFor();
    expect(await allowed()).toEqual([]);
  });

  it('shows characters that hide or reorder others as codes, wherever they stand', async () => {
    const [title, shown] = ['Pay exe.\u202etaerg', 'Pay exe.⟨U+202E⟩taerg'];
    const { id: repo_id } = await api.sample();
    const instruction =
      "[[simulate: command printf 'a\\342\\200\\256b' | tee odd.txt odd\u202etxt.exe]] \u202eNote.";
    const task = await api.post('/v1/tasks', { repo_id, title, instruction });
    const [run] = await api.start(task.id, ['builtin']);
    await api.follow(run!.id);
    expect((await api.run(run!.id)).files_changed.map(({ path }) => path).join()).toContain(
      '\u202e',
    );
    const page = await visit('/tasks');
    const unseen = async () => (await page.content()).includes('\u202e');
    await page.getByRole('link', { name: shown }).click();
    await page.getByRole('heading', { level: 1, name: shown }).waitFor();
    expect(await page.title()).toContain(shown);
    const column = page.getByRole('article', { name: 'Run of Built-in agent' });
    await column.getByText('Succeeded').first().waitFor(WAIT);
    expect(await unseen()).toBe(false);
    await column.getByRole('tab', { name: 'Diff' }).click();
    await expect.poll(() => column.innerText(), WAIT).toContain('a⟨U+202E⟩b');
    expect(await column.innerText()).toContain('odd⟨U+202E⟩txt.exe');
    expect(await unseen()).toBe(false);
    await column.getByRole('tab', { name: 'Timeline' }).click();
    await page.getByRole('region', { name: 'Timeline of Built-in agent' }).waitFor();
    expect(await unseen()).toBe(false);
  });

  it('has no barriers on its pages, in both languages, light and dark', async () => {
    const [task] = await tasks();
    const page = await visit('/tasks');
    const found: string[] = [];
    for (const language of ['en', 'ja']) {
      await page.evaluate(
        value => localStorage.setItem('holdfast-preferences', JSON.stringify({ language: value })),
        language,
      );
      for (const path of ['/tasks', '/tasks/repos', `/tasks/${task!.id}`, '/queue']) {
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
