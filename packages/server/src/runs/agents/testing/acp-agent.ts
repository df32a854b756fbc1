import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import {
  agent,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  type RequestPermissionResponse,
} from '@agentclientprotocol/sdk';

/**
 * An agent of ACP's own SDK, for tests: it asks before it edits, keeps its sessions in its home,
 * and waits for a cancellation when its prompt is `wait`. `node acp-agent.ts`.
 */
const home = process.env.HOME!;
const sessionFile = (id: string) => join(home, `acp-${id}.txt`);
const cancelled = Promise.withResolvers<void>();

const stream = ndJsonStream(
  Writable.toWeb(process.stdout) as WritableStream<Uint8Array>,
  Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>,
);

agent({ name: 'test-agent' })
  .onRequest(methods.agent.initialize, () => ({
    protocolVersion: PROTOCOL_VERSION,
    agentCapabilities: { loadSession: true },
  }))
  .onRequest(methods.agent.session.new, () => {
    writeFileSync(sessionFile('s1'), '');
    return { sessionId: 's1' };
  })
  .onRequest(methods.agent.session.load, async ({ params, client }) => {
    for (const line of readFileSync(sessionFile(params.sessionId), 'utf8').split('\n')) {
      await say(client, params.sessionId, `before: ${line}`);
    }
    return {};
  })
  .onNotification(methods.agent.session.cancel, () => cancelled.resolve())
  .onRequest(methods.agent.session.prompt, ({ params, client }) => {
    const [first] = params.prompt;
    const prompt = first?.type === 'text' ? first.text : '';
    if (prompt === 'crash') process.exit(0);
    return prompt === 'wait'
      ? wait(client, params.sessionId)
      : edit(client, params.sessionId, prompt);
  })
  .connect(stream);

async function wait(peer: Peer, sessionId: string) {
  await say(peer, sessionId, 'I wait.');
  const entries = [{ content: 'Wait', priority: 'low', status: 'in_progress' }];
  await update(peer, sessionId, { sessionUpdate: 'plan', entries });
  await cancelled.promise;
  return { stopReason: 'cancelled' as const };
}

async function edit(peer: Peer, sessionId: string, prompt: string) {
  appendFileSync(sessionFile(sessionId), `${prompt}\n`);
  await say(peer, sessionId, 'I ');
  await say(peer, sessionId, 'edit.');
  const call = { toolCallId: 'call-1', title: 'Edit greet.txt', kind: 'execute' };
  const rawInput = { prompt };
  await update(peer, sessionId, {
    sessionUpdate: 'tool_call',
    status: 'pending',
    rawInput,
    ...call,
  });
  const allowed = await ask(peer, sessionId, call);
  if (allowed) writeFileSync('greet.txt', 'good day\n');
  await update(peer, sessionId, {
    sessionUpdate: 'tool_call_update',
    toolCallId: call.toolCallId,
    status: allowed ? 'completed' : 'failed',
    content: [{ type: 'content', content: { type: 'text', text: 'greet.txt' } }],
  });
  await say(peer, sessionId, allowed ? 'Edited.' : 'I was not allowed.');
  return { stopReason: 'end_turn' as const };
}

interface Peer {
  notify(method: string, params: unknown): Promise<void>;
  request<Response, Params>(method: string, params: Params): Promise<Response>;
}

async function ask(peer: Peer, sessionId: string, toolCall: unknown): Promise<boolean> {
  const options = [
    { optionId: 'yes', name: 'Yes', kind: 'allow_once' },
    { optionId: 'no', name: 'No', kind: 'reject_once' },
  ];
  const { outcome } = await peer.request<RequestPermissionResponse, unknown>(
    methods.client.session.requestPermission,
    { sessionId, toolCall, options },
  );
  return outcome.outcome === 'selected' && outcome.optionId === 'yes';
}

function update(peer: Peer, sessionId: string, what: unknown): Promise<void> {
  return peer.notify(methods.client.session.update, { sessionId, update: what });
}

function say(peer: Peer, sessionId: string, text: string): Promise<void> {
  const content = { type: 'text', text };
  return update(peer, sessionId, { sessionUpdate: 'agent_message_chunk', content });
}
