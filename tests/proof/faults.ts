/**
 * What is done to the system, when, and to whom: drawn from the seed.
 *
 *   draw (target, signal, point) → the point is seen → act in the same tick → start again
 *
 * Kills and stops count. Between them, and on top, come two faults that no kill can make for
 * certain: a worker that is frozen until another has its runs, and a database connection that is
 * cut when the answer to a commit is on its way.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from './random.ts';
import type { ProofStack } from './stack.ts';

export const TARGETS = ['worker', 'api', 'postgres', 'redis'] as const;
export type Target = (typeof TARGETS)[number];

export const POINTS = [
  'event:run.created',
  'event:run.started',
  'event:run.resumed',
  'event:run.requeued',
  'event:tool.started',
  'event:tool.finished',
  'event:model.called',
  'event:checkpoint.saved',
  'event:patch.created',
  'event:run.succeeded',
  'log:run.created',
  'log:run.succeeded',
  'log:run.requeued',
  'log:listening',
  'log:signal.received',
  'log:push.finished',
  'wire:commit',
  'wire:append',
  'wire:run',
  'wire:heartbeat',
  'wire:lease',
  'wire:job',
  'wire:push',
] as const;

export interface Fault {
  readonly what: Target | 'freeze' | 'cut';
  readonly signal: NodeJS.Signals;
  /** What was seen when it struck, of `POINTS`. */
  readonly point: string;
  readonly atMs: number;
  /** The process that it struck. */
  readonly name: string;
}

const KILL = 'SIGKILL';
/** For the one that was drawn: rare ones must have their chance. */
const POINT_TIMEOUT_MS = 3_000;
/** For the first of any of them; a system that shows none for so long will show none any more. */
const ANY_POINT_TIMEOUT_MS = 60_000;
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 2_500;
/** A lease (15 s) must be over, and then the look for expired ones (15 s) come by. */
const FREEZE_MIN_MS = 16_000;
const FREEZE_REST_MAX_MS = 18_000;
const CUT_EVERY = 3;
const FREEZE_EVERY = 8;

export class Faults {
  readonly done: Fault[] = [];
  readonly #stack: ProofStack;
  readonly #random: Random;
  readonly #startMs = performance.now();
  /** Who is down or frozen. */
  readonly #away = new Set<string>();
  readonly #restarts: Promise<unknown>[] = [];
  #failure: unknown;

  constructor(stack: ProofStack, random: Random) {
    this.#stack = stack;
    this.#random = random;
  }

  get kills(): number {
    return this.done.filter(({ what }) => what !== 'freeze' && what !== 'cut').length;
  }

  /** Resolves when so many were killed and all are back. */
  async run(kills: number, progress: (fault: Fault) => void): Promise<void> {
    for (let round = 0; this.kills < kills; round += 1) {
      if (this.#failure !== undefined) throw this.#failure;
      const before = this.done.length;
      if (round % CUT_EVERY === 1) await this.#cut();
      else if (round % FREEZE_EVERY === 2) await this.#freeze();
      await this.#kill();
      for (const fault of this.done.slice(before)) progress(fault);
      await delay(this.#random.whole(PAUSE_MIN_MS, PAUSE_MAX_MS));
    }
    await Promise.all(this.#restarts);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #kill(): Promise<void> {
    const { what, name } = this.#drawTarget();
    const hard = this.#random.next() < 0.6;
    const late = this.#random.next() < 0.5;
    const signal = hard && (what !== 'worker' || this.#mayLoseWorker()) ? KILL : 'SIGTERM';
    const act = () => this.#strike(name, signal);
    await this.#at(late ? () => void setImmediate(act) : act, { what, signal, name });
  }

  /** Who is not away already. Never all are: PostgreSQL and Redis are waited for. */
  #drawTarget(): { what: Target; name: string } {
    for (;;) {
      const what = this.#random.pick(TARGETS);
      const name = this.#nameOf(what, this.#random.whole(0, 1));
      if (!this.#away.has(name)) return { what, name };
    }
  }

  #nameOf(what: Target, one: number): string {
    const names: Record<Target, string> = {
      worker: this.#stack.workers[one]!.name,
      api: this.#stack.apis[one]!.name,
      postgres: 'postgres',
      redis: 'redis',
    };
    return names[what];
  }

  /** Waits for a point; when it does not come in time, for whichever comes first. */
  async #at(act: () => void, fault: Pick<Fault, 'what' | 'signal' | 'name'>): Promise<void> {
    const { observations } = this.#stack;
    const drawn = [this.#random.pick(POINTS)];
    const point =
      (await observations.at(drawn, POINT_TIMEOUT_MS, act)) ??
      (await observations.at(POINTS, ANY_POINT_TIMEOUT_MS, act));
    if (point === undefined) throw new Error('nothing was seen of the system for too long');
    this.done.push({ ...fault, point, atMs: Math.round(performance.now() - this.#startMs) });
  }

  #strike(name: string, signal: NodeJS.Signals): void {
    const { postgres, workers, apis } = this.#stack;
    if (name === 'postgres') {
      // SIGINT is PostgreSQL's fast stop; it would wait for its clients after SIGTERM.
      this.#awayFor(name, postgres.restart(signal === KILL ? KILL : 'SIGINT'));
    } else if (name === 'redis') this.#awayFor(name, this.#stack.restartRedis(signal));
    else {
      const replica = [...workers, ...apis].find(known => known.name === name)!;
      replica.signal(signal);
      this.#awayFor(name, replica.again());
    }
  }

  #awayFor(name: string, back: Promise<void>): void {
    this.#away.add(name);
    const done = back
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#away.delete(name));
    this.#restarts.push(done);
  }

  async #freeze(): Promise<void> {
    const worker = this.#random.pick(this.#stack.workers);
    if (!this.#mayLoseWorker()) return;
    const act = () => {
      worker.signal('SIGSTOP');
      this.#awayFor(
        worker.name,
        this.#takenOver().then(() => worker.signal('SIGCONT')),
      );
    };
    await this.#at(act, { what: 'freeze', signal: 'SIGSTOP', name: worker.name });
  }

  /** Long enough that somebody else has the frozen one's runs: with the other away, the most. */
  async #takenOver(): Promise<void> {
    await delay(FREEZE_MIN_MS);
    await this.#stack.observations.at(['event:run.resumed'], FREEZE_REST_MAX_MS, () => {});
    // What was sent to the frozen one meanwhile is still to be read by it.
    await delay(PAUSE_MIN_MS);
  }

  async #cut(): Promise<void> {
    const { observations, proxy } = this.#stack;
    // After an append has gone by, the next commit is likely its own.
    let cut: Promise<void> | undefined;
    const arm = () => {
      cut = proxy.cutAfter('commit');
    };
    if ((await observations.at(['wire:append'], POINT_TIMEOUT_MS, arm)) === undefined) return;
    await Promise.race([cut, delay(POINT_TIMEOUT_MS)]);
    const atMs = Math.round(performance.now() - this.#startMs);
    const fault = { what: 'cut', signal: KILL, point: 'wire:commit', name: 'connection' } as const;
    this.done.push({ ...fault, atMs });
  }

  /** The other one goes on with the runs: with both away, nothing would be seen for long. */
  #mayLoseWorker(): boolean {
    return !this.#stack.workers.some(({ name }) => this.#away.has(name));
  }
}
