/** Keeps the given number of runs at work, each with its subscribers. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProofOptions } from './arguments.ts';
import { makeRemote } from './pushes.ts';
import type { Random } from './random.ts';
import type { ProofStack } from './stack.ts';
import { Subscriber } from './subscriber.ts';

const POST_TIMEOUT_MS = 90_000;
const POST_PAUSE_MS = 300;
const ANSWER_TIMEOUT_MS = 10_000;
/** The same request is at work elsewhere, or there are too many. */
const AGAIN = new Set([409, 429]);
/** Every step is a call of the model and a command: about two seconds. */
const STEPS_MIN = 6;
const STEPS_MAX = 14;
const SLOW_MS = 1_500;

export interface LoadedRun {
  readonly id: string;
  /** Lines that the instruction asks for, one each step. */
  readonly steps: number;
  readonly subscribers: readonly Subscriber[];
  /** Its branch was asked to be pushed. */
  pushed: boolean;
}

export class Load {
  readonly runs: LoadedRun[] = [];
  readonly #options: ProofOptions;
  readonly #stack: ProofStack;
  readonly #random: Random;
  readonly #ending = new AbortController();
  readonly #cut = new AbortController();
  #lanes: Promise<unknown> = Promise.resolve();

  constructor(options: ProofOptions, stack: ProofStack, random: Random) {
    this.#options = options;
    this.#stack = stack;
    this.#random = random;
  }

  async start(): Promise<void> {
    await makeRepository(this.repository);
    makeRemote(this.repository, this.remote);
    const { id } = await this.#post('/v1/repos', { path: this.remote, name: 'proof' });
    const lanes = Array.from({ length: this.#options.runs }, () => this.#lane(id));
    this.#lanes = Promise.all(lanes);
    this.#lanes.catch(() => undefined);
  }

  get repository(): string {
    return join(this.#stack.dir, 'repository');
  }

  /** Where runs come from and are pushed to. */
  get remote(): string {
    return join(this.#stack.dir, 'remote.git');
  }

  /** Starts no more runs, and waits for those at work. Throws what went wrong with starting. */
  async finish(timeoutMs: number): Promise<void> {
    this.#ending.abort();
    const timer = setTimeout(() => this.#cut.abort(), timeoutMs);
    try {
      await this.#lanes;
    } finally {
      clearTimeout(timer);
    }
  }

  async #lane(repositoryId: string): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const run = await this.#startRun(repositoryId);
      this.runs.push(run);
      await Promise.all(run.subscribers.map(subscriber => subscriber.watch()));
      if (run.subscribers.some(({ seen }) => seen.ending === 'run.succeeded'))
        await this.#push(run);
    }
  }

  /** Asked for at every API process at once, as by two people. */
  async #push(run: LoadedRun): Promise<void> {
    const path = `/v1/runs/${run.id}/push`;
    await Promise.all(this.#stack.urls.map((_, first) => this.#post(path, {}, first)));
    run.pushed = true;
  }

  async #startRun(repositoryId: string): Promise<LoadedRun> {
    const steps = this.#random.whole(STEPS_MIN, STEPS_MAX);
    const instruction = `[[simulate: steps ${steps}]] [[simulate: slow ${SLOW_MS}]] Write notes.`;
    const body = { repo_id: repositoryId, title: 'Proof', instruction };
    const task = await this.#post('/v1/tasks', body);
    type Started = { id: string; runs: { id: string }[] };
    const path = `/v1/tasks/${task.id}/runs`;
    const { runs } = (await this.#post(path, { agents: ['builtin'] })) as Started;
    const { id } = runs[0]!;
    const { observations } = this.#stack;
    const signal = this.#cut.signal;
    const count = this.#options.subscribers / this.#options.runs;
    const subscribers = Array.from({ length: count }, (_, index) => {
      const urls = index % 2 === 0 ? this.#stack.urls : this.#stack.urls.toReversed();
      return new Subscriber({ runId: id, urls, observations, signal });
    });
    return { id, steps, subscribers, pushed: false };
  }

  /** Done once for any number of requests, by its idempotency key. */
  async #post(path: string, body: object, first = 0): Promise<{ id: string }> {
    const deadlineMs = performance.now() + POST_TIMEOUT_MS;
    const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
    for (let attempt = 0; ; attempt += 1) {
      const url = this.#stack.urls[(first + attempt) % this.#stack.urls.length];
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
      const init = { method: 'POST', headers, body: JSON.stringify(body), signal };
      const response = await fetch(url + path, init).catch(() => undefined);
      if (response?.ok) return (await response.json()) as { id: string };
      const refused =
        response !== undefined && response.status < 500 && !AGAIN.has(response.status);
      if (refused || performance.now() > deadlineMs) {
        throw new Error(`POST ${path}: ${response?.status} ${await response?.text()}`);
      }
      await delay(POST_PAUSE_MS);
    }
  }
}

/** With one commit. */
export async function makeRepository(folder: string): Promise<void> {
  mkdirSync(folder);
  await writeFile(join(folder, 'README.md'), '# Proof\n');
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=T', '-c', 'user.email=t@localhost', ...args], {
      cwd: folder,
    });
  git('init', '--quiet', '--initial-branch=main');
  git('add', '.');
  git('commit', '--quiet', '--message=Start');
}
