/**
 * The text models' routes: `/v1/responses`, `/v1/chat/completions` (also below Azure's `/openai`),
 * `/v1/messages` with `count_tokens`, and `/v1beta/models/{model}:generateContent` and
 * `:streamGenerateContent`. One coding model answers all of them.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type App, authorize } from '../app.ts';
import type { Conversation } from '../coding/conversation.ts';
import { directivesOf } from '../coding/directives.ts';
import { decide } from '../coding/script.ts';
import { usageOf } from '../coding/usage.ts';
import { hangUntilClosed } from '../faults/hang.ts';
import { credentialOf } from '../http/auth.ts';
import { parseJson, readBody } from '../http/body.ts';
import { HttpError, sendJson } from '../http/respond.ts';
import type { RouteContext } from '../http/route.ts';
import { MAX_TEXT_BODY_BYTES } from '../limits.ts';
import { chatProtocol } from './chat.ts';
import { geminiProtocol } from './gemini.ts';
import { messagesProtocol } from './messages.ts';
import { type Answer, asObject, type Json, type SseEvent, type TextProtocol } from './protocol.ts';

type Handle = (context: RouteContext) => Promise<void>;

export const TEXT_ROUTES: readonly { pattern: RegExp; handle: Handle }[] = [
  { pattern: /^\/(?:openai\/)?v1\/responses$/, handle: c => answer(c, c.app.responses) },
  { pattern: /^\/(?:openai\/)?v1\/chat\/completions$/, handle: c => answer(c, chatProtocol) },
  { pattern: /^\/v1\/messages$/, handle: c => answer(c, messagesProtocol) },
  { pattern: /^\/v1\/messages\/count_tokens$/, handle: countTokens },
  {
    pattern: /^\/v1beta\/models\/([^/:]+):(generateContent|streamGenerateContent)$/,
    handle: c => answer(c, geminiProtocol),
  },
];

async function answer(context: RouteContext, protocol: TextProtocol): Promise<void> {
  const { response } = context;
  try {
    await tryAnswer(context, protocol);
  } catch (error) {
    if (!(error instanceof HttpError) || response.headersSent) throw error;
    sendJson(response, error.refusal.status, protocol.error(error.refusal));
  }
}

async function tryAnswer(context: RouteContext, protocol: TextProtocol): Promise<void> {
  const { app, request, response, params } = context;
  const { body, sizeChars } = await readRequest(context);
  const [model, method] = params;
  const target = { model, stream: method === 'streamGenerateContent' };
  const { conversation, stream } = protocol.read(body, target);
  app.textCounters.call(conversation.model);
  const { slowMs, hang, errorStatus } = directivesOf(conversation.instruction);
  if (errorStatus !== null) throw simulatedError(errorStatus);
  if (hang) return hangUntilClosed(request.socket);
  if (!(await pause(app, slowMs, response))) return;
  const given = answerOf(app, conversation, { body, sizeChars });
  app.textCounters.tokens(given.usage);
  if (stream) await sendEvents(response, protocol.events(given));
  else sendJson(response, 200, protocol.whole(given));
}

async function readRequest({ app, request, url }: RouteContext) {
  authorize(app, credentialOf(request, url));
  const text = (await readBody(request, MAX_TEXT_BODY_BYTES)).toString('utf8');
  return { body: asObject(parseJson(text)), sizeChars: text.length };
}

function answerOf(
  app: App,
  conversation: Conversation,
  request: { body: Json; sizeChars: number },
): Answer {
  const random = app.random.fork(app.random.id('answer'));
  const decision = decide(conversation, random);
  return {
    body: request.body,
    model: conversation.model,
    decision,
    usage: usageOf(request.sizeChars, decision, conversation.calls.length),
    nowS: Math.floor(app.clock.nowMs() / 1000),
    random,
  };
}

function simulatedError(status: number): HttpError {
  const type = status === 429 ? 'rate_limit_error' : 'server_error';
  return new HttpError(status, 'The model had an error, as the instruction asked for.', { type });
}

/** False when the caller has gone meanwhile. */
async function pause(app: App, delayMs: number, response: ServerResponse): Promise<boolean> {
  if (delayMs > 0) {
    await new Promise<void>(resolve => {
      const cancel = app.clock.after(delayMs, resolve);
      response.once('close', () => {
        cancel();
        resolve();
      });
    });
  }
  return !response.destroyed;
}

async function sendEvents(response: ServerResponse, events: readonly SseEvent[]): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
  });
  for (const { event, data } of events) {
    const name = event === undefined ? '' : `event: ${event}\n`;
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    if (response.destroyed) return;
    if (response.write(`${name}data: ${text}\n\n`)) continue;
    await Promise.race([once(response, 'drain'), once(response, 'close')]);
  }
  response.end();
}

async function countTokens(context: RouteContext): Promise<void> {
  const { sizeChars } = await readRequest(context);
  const { input } = usageOf(sizeChars, { text: '', calls: [] }, 0);
  sendJson(context.response, 200, { input_tokens: input });
}
