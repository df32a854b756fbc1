import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { openPage } from '../e2e/harness/browser.ts';

/** OpenAI's agents SDK for browsers, as the package brings it. */
const BUNDLE = fileURLToPath(
  new URL('dist/bundle/openai-realtime-agents.umd.js', packageFolder('@openai/agents-realtime')),
);
const ANSWER_MS = 30_000;

export interface Spoken {
  /** Types of the events on the data channel. */
  readonly types: readonly string[];
  /** What the model reports as its instructions. */
  readonly instructions: string;
}

/**
 * A page of the server's own origin on which the SDK talks over WebRTC: connects with `apiKey`,
 * sends a text and waits for the whole answer. Rejects with what the SDK throws.
 */
export async function talkOverWebRtc(
  browser: Browser,
  { url, apiKey, model }: { readonly url: string; readonly apiKey: string; readonly model: string },
): Promise<Spoken> {
  const { page, context } = await openPage(browser, { baseURL: url });
  try {
    await page.route(`${url}/agent`, route =>
      route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>Agent</title>' }),
    );
    await page.goto(`${url}/agent`);
    await page.addScriptTag({ path: BUNDLE });
    return await page.evaluate(talk, { url, apiKey, model, answerMs: ANSWER_MS });
  } finally {
    await context.close();
  }
}

/** Runs in the page. */
async function talk(options: {
  url: string;
  apiKey: string;
  model: string;
  answerMs: number;
}): Promise<Spoken> {
  const { OpenAIAgentsRealtime: sdk } = window as unknown as {
    OpenAIAgentsRealtime: typeof import('@openai/agents-realtime');
  };
  const agent = new sdk.RealtimeAgent({ name: 'tester', instructions: 'Be brief, in a browser.' });
  const transport = new sdk.OpenAIRealtimeWebRTC({
    baseUrl: `${options.url}/v1/realtime/calls`,
    useInsecureApiKey: true,
  });
  const { model } = options;
  const session = new sdk.RealtimeSession(agent, { transport, model });
  const types: string[] = [];
  let instructions = '';
  const answered = new Promise<void>((resolve, reject) => {
    setTimeout(() => reject(new Error(`No answer: ${types.join(', ')}`)), options.answerMs);
    session.on('error', ({ error }) => reject(new Error(JSON.stringify(error))));
    transport.on('*', event => {
      types.push(event.type);
      const { session: now } = event as { session?: { instructions?: string } };
      if (event.type === 'session.updated') instructions = now?.instructions ?? '';
      if (event.type === 'response.done') resolve();
    });
  });
  answered.catch(() => {});
  await session.connect({ apiKey: options.apiKey });
  session.sendMessage('Hello.');
  await answered;
  session.close();
  return { types, instructions };
}

function packageFolder(name: string): URL {
  return new URL(`../../node_modules/${name}/`, import.meta.url);
}
