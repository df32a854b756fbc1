import type { Run, Task } from '@holdfast/protocol';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findBubblewrap } from '../../tools/services/binaries.ts';
import { buildConsoleWhenStale } from '../../tools/start/console-build.ts';
import { barriers, type ConsolePage, launchBrowser, openPage } from './harness/browser.ts';
import { RunsApi } from './harness/runs.ts';
import { type Stack, startStack } from './harness/stacks.ts';

const WAIT = { timeout: 60_000 };
/** Places that a page holds for what is still being loaded. */
const UNFINISHED = '.hf-pending, .hf-row-skeleton, .hf-list-skeleton';

/** A person who gives an agent a task: the built pages, one embedded server, no keys. */
describe('tasks in the console', () => {
  let stack: Stack;
  let browser: Browser;
  let api: RunsApi;
  const open: ConsolePage[] = [];

  beforeAll(async () => {
    const { fault } = await buildConsoleWhenStale();
    expect(fault).toBeNull();
    await findBubblewrap();
    [stack, browser] = await Promise.all([startStack('embedded'), launchBrowser('')]);
    api = new RunsApi(stack.url);
  });
  afterAll(async () => {
    await browser?.close();
    await stack?.stop();
  });
  afterEach(async () => {
    const used = open.splice(0);
    for (const { context } of used) await context.close();
    expect(used.flatMap(({ faults }) => faults)).toEqual([]);
  });

  async function visit(path: string) {
    const visited = await openPage(browser, { baseURL: stack.url });
    open.push(visited);
    await visited.page.goto(path);
    return visited.page;
  }

  const tasks = async () => (await api.get<{ data: Task[] }>('/v1/tasks')).data;
  const runsOf = async (task: Task) =>
    (await api.get<{ data: Run[] }>(`/v1/tasks/${task.id}/runs`)).data;

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
    await page.goto('/tasks');
    const done = page.getByRole('region', { name: 'Done' });
    await done.getByText('Fix the failing test').waitFor();
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
      for (const path of ['/tasks', `/tasks/${task!.id}`, '/queue']) {
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
