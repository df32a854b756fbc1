import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What reached a provider. */
interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A provider that a test scripts and that remembers what reached it. */
export interface ScriptedUpstream {
  readonly url: string;
  readonly seen: SeenRequest[];
  /** Answers the next requests; set before each. */
  answer: (response: ServerResponse, request: SeenRequest) => void;
  close(): Promise<void>;
}

/** What a Responses call answers that used so much. */
export function usedTokens(input: number, output: number): string {
  const usage = { input_tokens: input, output_tokens: output };
  return JSON.stringify({ id: 'resp_1', object: 'response', output: [], usage });
}

export async function openScriptedUpstream(): Promise<ScriptedUpstream> {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const one = { path: request.url ?? '', headers: request.headers, body };
    upstream.seen.push(one);
    upstream.answer(response, one);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const upstream: ScriptedUpstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    answer: response => response.end('{}'),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return upstream;
}
