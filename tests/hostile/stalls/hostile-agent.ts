/**
 * An agent over ACP that does to the server whatever one can: with its lines, with what it leaves
 * in the workspace, and at the model gateway. What it does stands in its instruction, as
 * `act:<name>`, once or more. It must not import anything of ours: the sandbox shows this file
 * alone.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';

const send = (message: object) =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

const MIB = 1024 * 1024;
const BURN_MS = 20_000;
const updated = (update: string) =>
  `{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":${update}}}`;

/** Writes lines as fast as they are taken. */
async function print(lines: Iterable<string>): Promise<void> {
  for (const line of lines) {
    if (process.stdout.write(`${line}\n`)) continue;
    await new Promise(resolve => process.stdout.once('drain', resolve));
  }
}

function* dearLines(): Generator<string> {
  for (let round = 0; round < 3; round++) {
    yield updated(`[[]${',[]'.repeat(1.2 * MIB)}]`);
    yield updated(`[${'{"a":1},'.repeat(49_000)}1]`);
    yield updated(`${'['.repeat(MIB)}${']'.repeat(MIB)}`);
    yield updated(`"${'\\u0041'.repeat(600_000)}"`);
    const content = `{"type":"text","text":"${'\\n語'.repeat(500_000)}"}`;
    yield updated(`{"sessionUpdate":"agent_message_chunk","content":${content}}`);
    yield 'x'.repeat(5 * MIB);
  }
}

function* manyLines(): Generator<string> {
  const content = '{"type":"text","text":"x"}';
  for (let n = 0; n < 20_000; n++) {
    yield updated(`{"sessionUpdate":"agent_message_chunk","content":${content}}`);
    yield '';
  }
}

function tree(): void {
  let deep = '.';
  for (let level = 0; level < 15; level++) {
    deep += `/${'d'.repeat(200)}`;
    mkdirSync(deep, { recursive: true });
  }
  mkdirSync('many');
  for (let n = 0; n < 5_000; n++) writeFileSync(`many/${n}`, '');
  writeFileSync('line.txt', 'x'.repeat(8 * MIB));
  writeFileSync('lines.txt', 'x\n'.repeat(2 * MIB));
  writeFileSync('nul.bin', Buffer.alloc(8 * MIB));
  writeFileSync('-rf \n\u202e.txt', '@@ -1 +1 @@\n-a\n+b\ndiff --git a/x b/x\n'.repeat(1_000));
}

async function callGateway(): Promise<void> {
  const bodies = [
    `{"model":"x","input":[[]${',[]'.repeat(10 * MIB)}]}`,
    `{"model":"x","input":"${'a\\n'.repeat(10 * MIB)}"}`,
    `{"model":"x","input":{${Array.from({ length: 95_000 }, (_, n) => `"k${n}":1`).join()}}}`,
  ];
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${process.env.RUN_TOKEN}`,
  };
  for (const body of bodies) {
    const url = `${process.env.GATEWAY}/model/openai/v1/responses`;
    await fetch(url, { method: 'POST', headers, body }).then(
      answer => answer.text(),
      () => undefined,
    );
  }
}

/** Twice as many processes as there are cores, which compute and hold memory. */
async function burn(): Promise<void> {
  const script = `const kept = []; const end = Date.now() + ${BURN_MS};
    while (Date.now() < end) if (kept.length < 100) kept.push(Buffer.alloc(${MIB}, 1));`;
  const children = Array.from({ length: 2 * availableParallelism() }, () =>
    spawn(process.execPath, ['-e', script], { stdio: 'ignore' }),
  );
  await Promise.all(children.map(child => once(child, 'exit')));
}

const ACTS: Readonly<Record<string, () => unknown>> = {
  burn,
  'dear-lines': () => print(dearLines()),
  'many-lines': () => print(manyLines()),
  tree,
  gateway: callGateway,
};

createInterface({ input: process.stdin }).on('line', async line => {
  const { id, method, params } = JSON.parse(line) as {
    id?: unknown;
    method?: string;
    params: Record<string, unknown>;
  };
  if (method === 'initialize') {
    send({ id, result: { protocolVersion: 1, agentCapabilities: { loadSession: false } } });
  } else if (method === 'session/new') send({ id, result: { sessionId: 's1' } });
  else if (method === 'session/prompt') {
    for (const [, act] of JSON.stringify(params.prompt).matchAll(/act:([a-z-]+)/g)) {
      await ACTS[act!]?.();
    }
    send({ id, result: { stopReason: 'end_turn' } });
  } else if (method === 'session/cancel') process.exit(0);
});
