/**
 * A real browser shows a cookie to every port of a host. A server on another port, or its page,
 * gets no Admin's rights by that.
 */
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ApiKey, Me } from '@holdfast/protocol';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtConsole } from '../../tools/services/shared.ts';
import { type ConsolePage, launchBrowser, openPage } from './harness/browser.ts';
import { type Stack, startStack } from './harness/stacks.ts';

let stack: Stack;
let browser: Browser;
let console_: ConsolePage;
let page: Page;
let neighbour: HttpServer;
let neighbourUrl: string;
/** Every `Cookie` header that the server on the other port received. */
const shown: string[] = [];

beforeAll(async () => {
  await builtConsole();
  [stack, browser] = await Promise.all([startStack('embedded'), launchBrowser('')]);
  const { hostname } = new URL(stack.url);
  neighbour = createServer((request, response) => {
    if (request.headers.cookie !== undefined) shown.push(request.headers.cookie);
    response.setHeader('content-type', 'text/html').end('<title>Neighbour</title>');
  });
  await new Promise<void>(resolve => neighbour.listen(0, hostname, resolve));
  neighbourUrl = `http://${hostname}:${(neighbour.address() as AddressInfo).port}/`;
  console_ = await openPage(browser, { baseURL: stack.url });
  page = console_.page;
  await page.goto(`/auth/local?token=${stack.servers[0]!.adminToken}`);
});
afterAll(async () => {
  await browser?.close();
  neighbour?.close();
  await stack?.stop();
});

/** As the console asks, from its own page. */
const ask = <T>(path: string) =>
  page.evaluate(async url => {
    const secret = localStorage.getItem('holdfast-page') ?? '';
    const answer = await fetch(url, { headers: { 'x-holdfast-page': secret } });
    return (await answer.json()) as unknown;
  }, path) as Promise<T>;

const keys = async () => (await ask<{ data: ApiKey[] }>('/v1/api-keys')).data;

describe('another port of the same host', () => {
  it('keeps the Admin signed in on the own page, without its secret in the address', async () => {
    expect(new URL(page.url()).hash).toBe('');
    expect((await ask<Me>('/v1/me')).role).toBe('Admin');
    await page.goto('/settings');
    await page.getByRole('button', { name: 'Create key' }).first().waitFor();
    expect(console_.faults).toEqual([]);
  });

  it('receives the cookie, and is no Admin with it, whatever its server sends', async () => {
    await page.goto(neighbourUrl);
    const cookie = shown.find(one => one.includes('holdfast_session='))!;
    expect(cookie).toBeDefined();
    const { origin } = new URL(stack.url);
    for (const headers of [
      { cookie },
      { cookie, origin },
      { cookie, origin, 'sec-fetch-site': 'same-origin' },
      { cookie, origin, 'x-holdfast-page': cookie.split('=')[1]! },
    ] as Record<string, string>[]) {
      const me = await fetch(`${stack.url}/v1/me`, { headers });
      expect(((await me.json()) as Me).role).toBe('Developer');
      expect((await fetch(`${stack.url}/v1/api-keys`, { headers })).status).toBe(403);
      const made = await fetch(`${stack.url}/v1/api-keys`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'stolen', role: 'Admin' }),
      });
      expect(made.status).toBe(403);
    }
  });

  it('has pages that can read no secret and change nothing', async () => {
    console_.expectFault(/CORS policy|403|ERR_FAILED/, 'what the neighbour is refused');
    await page.goto(neighbourUrl);
    const outcome = await page.evaluate(async url => {
      const tries = (['cors', 'no-cors'] as const).map(mode =>
        fetch(`${url}/v1/api-keys`, {
          method: 'POST',
          mode,
          credentials: 'include',
          body: JSON.stringify({ name: 'stolen', role: 'Admin' }),
        }).then(
          answer => answer.type,
          () => 'refused',
        ),
      );
      return { stored: localStorage.getItem('holdfast-page'), seen: await Promise.all(tries) };
    }, stack.url);
    expect(outcome).toEqual({ stored: null, seen: ['refused', 'refused'] });
    await page.goto('/settings');
    expect((await keys()).map(({ name }) => name)).not.toContain('stolen');
    expect((await ask<Me>('/v1/me')).role).toBe('Admin');
  });
});
