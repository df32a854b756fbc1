/**
 * Which fault hits which process, and when: drawn from the seed.
 *
 *   draw (target, signal, point) → the point is seen → act in the same tick → start again
 *
 * Kills and stops count. Between them, and in addition, come two faults that no kill causes for
 * certain: a worker that is frozen until another has its runs, and a database connection that is
 * cut when the answer to a commit is on its way.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { APPEND } from './observations.ts';
import type { Random } from './random.ts';
import type { Replica } from './replica.ts';
import type { ProofStack } from './stack.ts';

const TARGETS = ['worker', 'api', 'postgres', 'redis'] as const;
export type Target = (typeof TARGETS)[number];
export const FAULTS = [...TARGETS, 'freeze', 'cut'] as const;

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
  readonly what: (typeof FAULTS)[number];
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
/** Then for the first that shows work, before what is always on the wire wins. */
const TELLING_TIMEOUT_MS = 2_000;
const TELLING = POINTS.filter(point => !point.startsWith('wire:'));
/** For the first of any of them; a system that shows none for so long will show none any more. */
const ANY_POINT_TIMEOUT_MS = 60_000;
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 2_500;
/** Longer than a lease. */
const FREEZE_MIN_MS = 16_000;
const FREEZE_MAX_MS = 45_000;
const FREEZE_LOOK_MS = 500;
const CUT_EVERY = 2;
const CUT_TIMEOUT_MS = 8_000;
const FREEZE_FIRST = 2;
const FREEZE_EVERY = 8;

export class Faults {
  readonly done: Fault[] = [];
  readonly #stack: ProofStack;
  readonly #random: Random;
  readonly #startMs = performance.now();
  /** The processes that are down or frozen. */
  readonly #away = new Set<string>();
  #frozen = false;
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
    let freezeAt = FREEZE_FIRST;
    for (let round = 0; this.kills < kills; round += 1) {
      if (this.#failure !== undefined) throw this.#failure;
      const before = this.done.length;
      if (round % CUT_EVERY === 1) await this.#cut();
      else if (round >= freezeAt && (await this.#freeze())) freezeAt = round + FREEZE_EVERY;
      await this.#kill();
      for (const fault of this.done.slice(before)) progress(fault);
      await delay(this.#random.whole(PAUSE_MIN_MS, PAUSE_MAX_MS));
    }
    await Promise.all(this.#restarts);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #kill(): Promise<void> {
    const { what, name } = await this.#drawTarget();
    const hard = this.#random.next() < 0.6;
    const late = this.#random.next() < 0.5;
    const signal = hard && (what !== 'worker' || this.#mayLoseWorker()) ? KILL : 'SIGTERM';
    const act = () => this.#strike(name, signal);
    await this.#at(late ? () => void setImmediate(act) : act, { what, signal, name });
  }

  /** Processes that are up; no worker while one is frozen, as the other must take its runs. */
  async #drawTarget(): Promise<{ what: Target; name: string }> {
    for (;;) {
      const what = this.#random.pick(TARGETS);
      const name = this.#nameOf(what, this.#random.whole(0, 1));
      const isSpared = what === 'worker' && this.#frozen;
      if (!this.#away.has(name) && !isSpared) return { what, name };
      // All may be away at once.
      await delay(PAUSE_MIN_MS);
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
      (await observations.at(TELLING, TELLING_TIMEOUT_MS, act)) ??
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

  /** False when it is not the time for it. */
  async #freeze(): Promise<boolean> {
    const worker = this.#random.pick(this.#stack.workers);
    if (!this.#mayLoseWorker()) return false;
    const act = () => {
      worker.signal('SIGSTOP');
      this.#frozen = true;
      this.#awayFor(worker.name, this.#thaw(worker));
    };
    await this.#at(act, { what: 'freeze', signal: 'SIGSTOP', name: worker.name });
    return true;
  }

  /** Once another worker has its runs and their logs show it. */
  async #thaw(worker: Replica): Promise<void> {
    const startMs = performance.now();
    await delay(FREEZE_MIN_MS);
    while (performance.now() - startMs < FREEZE_MAX_MS && (await this.#isUntaken(worker))) {
      await delay(FREEZE_LOOK_MS);
    }
    worker.signal('SIGCONT');
    this.#frozen = false;
  }

  /** Whether runs of this worker, or taken from one, have no event of their new attempt. */
  async #isUntaken({ id }: Replica): Promise<boolean> {
    const silent = sql`
      select from runs join subjects using (id) where status = 'running' and (lease_replica = ${id}
        or runs.attempt > 1 and not exists (
          select from events where subject = runs.id and events.attempt = runs.attempt))
    `;
    // Unknown while the database is away.
    return silent.execute(this.#stack.database.db).then(
      ({ rows }) => rows.length > 0,
      () => true,
    );
  }

  async #cut(): Promise<void> {
    const cut = this.#stack.proxy.cutAfter('commit', APPEND);
    const isCut = cut.then(() => true);
    if (!(await Promise.race([isCut, delay(CUT_TIMEOUT_MS, false)]))) return;
    const atMs = Math.round(performance.now() - this.#startMs);
    const fault = { what: 'cut', signal: KILL, point: 'wire:commit', name: 'connection' } as const;
    this.done.push({ ...fault, atMs });
  }

  /** The other one goes on with the runs: with both away, nothing would be seen for long. */
  #mayLoseWorker(): boolean {
    return !this.#stack.workers.some(({ name }) => this.#away.has(name));
  }
}
