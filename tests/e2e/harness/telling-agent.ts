/**
 * An ACP agent that prints its environment and then, reversed, the token it was given: so a test
 * learns a real token, which no log may hold. Asked to wait, it works until it is stopped. It must
 * not import anything: the sandbox shows this file alone.
 */
import { createInterface } from 'node:readline';

const send = (message: object) =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

function say(sessionId: unknown, text: string): void {
  const update = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } };
  send({ method: 'session/update', params: { sessionId, update } });
}

function prompted(id: unknown, params: Record<string, unknown>): void {
  const { sessionId } = params;
  const reversed = [...(process.env.RUN_TOKEN ?? '')].toReversed().join('');
  say(sessionId, `${JSON.stringify(process.env)}\nreversed:${reversed}:\n`);
  if (JSON.stringify(params.prompt).includes('wait')) {
    // A tool is a boundary: messages before it are in the log now.
    const update = { sessionUpdate: 'tool_call', toolCallId: 'c1', title: 'Wait', kind: 'other' };
    send({ method: 'session/update', params: { sessionId, update } });
    return;
  }
  send({ id, result: { stopReason: 'end_turn' } });
}

createInterface({ input: process.stdin }).on('line', line => {
  const { id, method, params } = JSON.parse(line) as {
    id?: unknown;
    method?: string;
    params: Record<string, unknown>;
  };
  if (method === 'initialize') {
    send({ id, result: { protocolVersion: 1, agentCapabilities: { loadSession: false } } });
  } else if (method === 'session/new') send({ id, result: { sessionId: 's1' } });
  else if (method === 'session/prompt') prompted(id, params);
  else if (method === 'session/cancel') process.exit(0);
});
