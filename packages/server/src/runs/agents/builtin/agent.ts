import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Agent, AgentContext, AgentRun } from '../agent.ts';
import { Conversation } from '../conversation.ts';
import { interpret } from './events.ts';
import type { FollowUp, Start } from './wire.ts';

/**
 * The built-in agent for people who have only an API key. Its program is `main.ts` beside this
 * file; it runs on the server's Node, in the sandbox like every other agent.
 */
const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const MANIFEST = manifest(FOLDER);
const VERSION = (JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string }).version;

export function createBuiltinAgent({ model }: { model: string }): Agent {
  return {
    name: 'builtin',
    title: 'Built-in agent',
    steerable: true,
    resumable: true,
    readOnlyPaths: readOnlyPaths(),
    probe: async () => ({ available: true, version: VERSION, wantedVersion: null, install: null }),
    start: context => startBuiltin(context, context.model ?? model),
  };
}

function startBuiltin(context: AgentContext, model: string): AgentRun {
  const process_ = context.spawn([process.execPath, join(FOLDER, 'main.ts')], {
    HOME: context.homeDir,
  });
  const waiting = new Map<string, (accepted: boolean) => void>();
  const conversation = new Conversation({
    context,
    process: process_,
    interpret: message => {
      if (message.type === 'accepted') waiting.get(String(message.id))?.(true);
      return interpret(message);
    },
  });
  conversation.send({
    type: 'start',
    instruction: context.instruction,
    resume: context.resume,
    model,
    baseUrl: `${context.gatewayUrl}/model/openai/v1`,
    token: context.token,
  } satisfies Start);
  return {
    done: conversation.done,
    stop: signal => conversation.stop(signal),
    steer: async text => {
      const message: FollowUp = { type: 'message', id: randomUUID(), text };
      if (conversation.isOver) return false;
      const accepted = new Promise<boolean>(resolve => waiting.set(message.id, resolve));
      if (!conversation.send(message)) return false;
      return Promise.race([accepted, conversation.done.then(() => false)]);
    },
  };
}

/**
 * Paths that Node must read to run the program: its folder, the manifest that makes its files
 * modules, and the packages it imports with what they import.
 */
function readOnlyPaths(): readonly string[] {
  const { resolve } = createRequire(import.meta.url);
  const modules = '/node_modules';
  const packages = ['ai', '@ai-sdk/openai', 'zod'].map(name => {
    const file = resolve(name);
    return file.slice(0, file.lastIndexOf(`${modules}/`) + modules.length);
  });
  return [...new Set([FOLDER, MANIFEST, ...packages])];
}

function manifest(folder: string): string {
  const file = join(folder, 'package.json');
  return existsSync(file) ? file : manifest(dirname(folder));
}
