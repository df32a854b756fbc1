import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  anthropicEvents,
  type Call,
  geminiEvents,
  type Protocol,
  responsesEvents,
  type Turn,
} from './model-events.ts';

type Reply =
  | { readonly text?: string; readonly thought?: string; readonly calls?: readonly Call[] }
  | {
      readonly status: number;
      readonly error: string;
      readonly code?: string;
      readonly headers?: Record<string, string>;
    };

/**
 * A model for tests of agents, over real HTTP and streaming, below the paths of the gateway. What
 * it answers is the test's `script`; it speaks the Responses API, Messages and Gemini's
 * `streamGenerateContent`.
 */
export type Script = (turn: Turn) => Reply | Promise<Reply>;

export interface ModelServer {
  readonly url: string;
  readonly turns: readonly Turn[];
  close(): Promise<void>;
}

export async function openModelServer(script: Script): Promise<ModelServer> {
  const turns: Turn[] = [];
  const server = createServer((request, response) => {
    answer(request, response, { script, turns }).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    turns,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { script, turns }: { script: Script; turns: Turn[] },
): Promise<void> {
  const protocol = protocolOf(request.url ?? '');
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const json = Buffer.concat(chunks).toString('utf8');
  if (protocol === null || request.method !== 'POST') {
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":{}}');
    return;
  }
  const turn: Turn = {
    protocol,
    number: turns.length + 1,
    body: JSON.parse(json) as Record<string, unknown>,
    json,
    token: tokenOf(request),
  };
  turns.push(turn);
  const reply = await script(turn);
  if ('status' in reply) {
    const { status, error: message, code = null, headers = {} } = reply;
    const error = { message, code, type: 'error' };
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ type: 'error', error }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(EVENTS[protocol](reply, turn));
}

const EVENTS = { openai: responsesEvents, anthropic: anthropicEvents, gemini: geminiEvents };

function protocolOf(url: string): Protocol | null {
  if (url.startsWith('/model/openai/v1/responses')) return 'openai';
  if (url.startsWith('/model/anthropic/v1/messages')) return 'anthropic';
  if (/^\/model\/gemini\/v1beta\/models\/[^/]+:streamGenerateContent/.test(url)) return 'gemini';
  return null;
}

function tokenOf({ headers }: IncomingMessage): string | null {
  const key = headers['x-api-key'] ?? headers['x-goog-api-key'];
  if (typeof key === 'string') return key;
  return headers.authorization?.replace(/^Bearer /, '') ?? null;
}
