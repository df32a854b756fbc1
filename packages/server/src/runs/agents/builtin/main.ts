import { homedir } from 'node:os';
import { createInterface } from 'node:readline';
import { Inbox, work } from './loop.ts';
import { openModel } from './model.ts';
import { Session } from './session.ts';
import type { FromAgent, Result, Start, ToAgent } from './wire.ts';

/**
 * The built-in coding agent, a program of its own: `node main.ts`, working directory the workspace,
 * `HOME` the run's home, conversation as in `wire.ts`. Exit code 0 after a result, 130 when it was
 * interrupted; the result decides.
 *
 * SIGINT, SIGTERM and a closed standard input interrupt it: it ends the model call and the running
 * command and saves the session.
 */
const EXIT_INTERRUPTED = 130;
const interrupted = new AbortController();
const inbox = new Inbox();

const emit = (message: FromAgent): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};

/** `run` must begin before anything is awaited, so that no line is missed. */
function listen(run: (start: Start) => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    let started = false;
    const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
    lines.on('line', line => {
      const message = parse(line);
      if (message?.type === 'message' && inbox.put(message)) {
        emit({ type: 'accepted', id: message.id });
      }
      if (message?.type !== 'start' || started) return;
      started = true;
      run(message).then(resolve, reject);
    });
    lines.once('close', () => {
      interrupted.abort();
      if (!started) resolve({ type: 'result', status: 'interrupted' });
    });
  });
}

function parse(line: string): ToAgent | null {
  try {
    return JSON.parse(line) as ToAgent;
  } catch {
    return null;
  }
}

async function run(start: Start): Promise<Result> {
  const home = process.env.HOME ?? homedir();
  const { signal } = interrupted;
  let session: Session;
  try {
    session = start.resume === null ? Session.create(home) : await Session.open(home, start.resume);
  } catch (error) {
    const message = error instanceof Error ? error.message : 'The session cannot be opened.';
    return { type: 'result', status: 'error', reason: 'agent_error', message };
  }
  session.begin(start.instruction);
  await session.save();
  emit({
    type: 'init',
    session_id: session.id,
    model: start.model,
    resumed: start.resume !== null,
  });
  if (session.state.plan.length > 0) emit({ type: 'plan', items: session.state.plan });
  const model = openModel({
    baseUrl: start.baseUrl,
    token: start.token,
    model: start.model,
    signal,
    onRetry: (attempt, status, message) => emit({ type: 'retry', attempt, status, message }),
  });
  return work({ session, model, inbox, workspaceDir: process.cwd(), signal, emit });
}

// Without this the SDK's hints to developers appear in the run's log.
globalThis.AI_SDK_LOG_WARNINGS = false;
process.on('SIGINT', () => interrupted.abort());
process.on('SIGTERM', () => interrupted.abort());
// A write to standard output fails when the worker is gone.
process.stdout.on('error', () => process.exit(EXIT_INTERRUPTED));

const result = await listen(run);
const code = result.status === 'interrupted' ? EXIT_INTERRUPTED : 0;
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(code));
