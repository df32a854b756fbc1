/**
 * `npm start`, hit with SIGKILL at drawn points, round by round, on one data folder:
 *
 *   start → ledgers of all rounds hold → session talks, run works, uploads arrive → hit → what must
 *   go on goes on → everything ends, nothing is left → next round
 *
 * Points in initdb and in the migration have a fresh folder of their own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type EventEnvelope, isRunEnding } from '@holdfast/protocol';
import { freePort } from '../../../tools/services/child.ts';
import { type Found, LocalStart, type Part } from '../../e2e/harness/local.ts';
import { RunsApi } from '../../e2e/harness/runs.ts';
import { attemptFaults, endFaults, logFaults, lossFaults } from '../judge.ts';
import type { JudgedRun } from '../judged-run.ts';
import { makeRepository } from '../load.ts';
import { Observations } from '../observations.ts';
import { Random } from '../random.ts';
import { Subscriber } from '../subscriber.ts';
import { drawPoints, type Point, WORK_POINTS } from './points.ts';
import { readLog, Talk } from './talk.ts';
import { recordingFaults, Uploads } from './uploads.ts';

export interface KillOptions {
  readonly kills: number;
  readonly seed: string;
  readonly progress: (line: string) => void;
}

/** A run, and how many of its events had come. */
interface Before {
  readonly run: FollowedRun;
  readonly events: number;
}

interface FollowedRun {
  readonly id: string;
  readonly subscriber: Subscriber;
  readonly ledger: EventEnvelope[];
}

const POINT_TIMEOUT_MS = 5_000;
const ANY_POINT_TIMEOUT_MS = 60_000;
/** A phase of the start that does not begin has been passed without being seen. */
const PHASE_TIMEOUT_MS = 60_000;
const LOOK_MS = 10;
/** What goes on after a kill shows it by then, also on a busy machine. */
const GOES_ON_MS = 60_000;
/** Lost leases, and the work itself. */
const LAST_RUNS_MS = 240_000;
const OPEN_RUNS_MAX = 2;
const STEPS = 6;
const SHOWN_CHARS = 6_000;
const CONSOLE_DIR = fileURLToPath(new URL('../../../packages/console/dist', import.meta.url));

/** Answers everything that did not hold. */
export async function proveKills({ kills, seed, progress }: KillOptions): Promise<string[]> {
  const world = await World.make();
  try {
    const points = drawPoints(kills, new Random(`${seed}/local`));
    for (const [index, point] of points.entries()) {
      const startMs = performance.now();
      const before = world.faults.length;
      const isEdge = point.phase === 'initdb' || point.phase === 'migration';
      const what = await (isEdge ? world.hitFirstStart(point) : world.hit(point));
      const tookS = ((performance.now() - startMs) / 1_000).toFixed(1);
      progress(`${index + 1}/${kills} ${what}, a round of ${tookS} s`);
      const fresh = world.faults.slice(before);
      for (const fault of fresh) progress(`  ✗ ${fault}`);
      if (fresh.length > 0) progress(world.lastOutput);
    }
    await world.finish();
    progress(world.summary);
    return world.faults;
  } finally {
    world.remove();
  }
}

class World {
  readonly faults: string[] = [];
  readonly #dir = mkdtempSync(join(tmpdir(), 'holdfast-kills-'));
  readonly #observations = new Observations();
  readonly #uploads = new Uploads(this.#observations);
  readonly #talks: Talk[] = [];
  readonly #runs: FollowedRun[] = [];
  readonly #cut = new AbortController();
  readonly #port: string;
  #repositoryId: string | undefined;
  #fresh = 0;
  #current: LocalStart | undefined;

  private constructor(port: number) {
    this.#port = String(port);
  }

  static async make(): Promise<World> {
    const world = new World(await freePort());
    await makeRepository(join(world.#dir, 'repository'));
    return world;
  }

  get summary(): string {
    const events = this.#runs.reduce((total, { ledger }) => total + ledger.length, 0);
    const shown = this.#talks.reduce((total, { ledger }) => total + ledger.length, 0);
    return (
      `held against the ledgers: ${this.#runs.length} runs with ${events} events, ` +
      `${this.#talks.length} sessions with ${shown}, ${this.#uploads.ledger.length} recordings`
    );
  }

  /** What the newest start has printed last. */
  get lastOutput(): string {
    return this.#current?.output.slice(-SHOWN_CHARS) ?? '';
  }

  remove(): void {
    this.#cut.abort();
    this.#current?.killAll();
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  /** A first start is hit while it makes its folder; the next one must mend it. */
  async hitFirstStart({ part, phase, delayMs }: Point): Promise<string> {
    this.#fresh += 1;
    const folder = `fresh-${this.#fresh}`;
    const local = this.#start(folder, '0');
    const isInitdb = ({ name }: Found) => /initdb|postgres.* --(?:boot|single)/.test(name);
    const began = phase === 'initdb' ? isInitdb : ({ name }: Found) => name === 'server';
    await this.#untilSeen(local, began);
    await delay(delayMs);
    // Neither is there yet in initdb.
    const isLater = phase === 'initdb' && (part === 'server' || part === 'worker');
    const target: Part = isLater ? 'database' : part;
    const found = local
      .processes()
      .filter(one => one.name === target || (target === 'database' && isInitdb(one)));
    for (const { pid } of found) killNow(pid);
    if (target === 'worker' || target === 'database') {
      await Promise.race([local.url().catch(() => {}), local.ended]);
      local.signal('npm', 'SIGTERM');
    }
    const what = `${target} in ${phase} after ${delayMs} ms${found.length > 0 ? '' : ' (gone)'}`;
    await this.#expectNothingLeft(local, what);
    const next = this.#start(folder, '0');
    const url = await next.url();
    const answer = await fetch(`${url}/sessions`, { method: 'POST' });
    if (answer.status !== 201) this.faults.push(`${what}: the next start answers ${answer.status}`);
    next.signal('npm', 'SIGTERM');
    await this.#expectNothingLeft(next, `the stop after ${what}`);
    return what;
  }

  /** A system at work is hit, or one that stops. */
  async hit(point: Point): Promise<string> {
    const { local, url } = await this.#startMain();
    const startedAtMs = Date.now();
    const ending = new AbortController();
    const talk = await this.#load(url, ending.signal);
    const what = await this.#strike(local, point);
    const { part, phase } = point;
    if (phase === 'work' && (part === 'worker' || part === 'database')) {
      const again =
        part === 'database' ? /The database runs again/ : /The worker ended with code 137/;
      await local.printed(again, GOES_ON_MS);
      const before = this.#openRuns().map(run => ({ run, events: run.ledger.length }));
      await this.#expectGoesOn(talk, before, what);
      // Others wait for the lease of a worker that was hit before, or were just being claimed.
      const atWork = before.filter(({ run, events }) => {
        return beganAfter(run.ledger.slice(0, events), startedAtMs);
      });
      if (part === 'database') this.#expectNoneTakenOver(atWork, what);
      local.signal('npm', 'SIGTERM');
    }
    await this.#expectNothingLeft(local, what);
    ending.abort();
    talk.close();
    return what;
  }

  /** Lets the last runs end, and judges them all. */
  async finish(): Promise<void> {
    const { local, url } = await this.#startMain();
    const deadlineMs = performance.now() + LAST_RUNS_MS;
    while (this.#openRuns().length > 0 && performance.now() < deadlineMs) await delay(200);
    const api = new RunsApi(url);
    for (const run of this.#runs) this.faults.push(...(await this.#runFaults(api, run)));
    local.signal('npm', 'SIGTERM');
    await this.#expectNothingLeft(local, 'the last stop');
  }

  #start(folder: string, port: string): LocalStart {
    this.#current = new LocalStart({
      dataDir: join(this.#dir, folder),
      env: {
        PORT: port,
        HOLDFAST_CONSOLE_DIR: CONSOLE_DIR,
        HOLDFAST_SHUTDOWN_GRACE: '2',
        HOLDFAST_MAX_ACTIVE_SESSIONS: '100000',
        HOLDFAST_RUNS_CONCURRENCY: '4',
      },
    });
    return this.#current;
  }

  async #startMain(): Promise<{ local: LocalStart; url: string }> {
    const local = this.#start('data', this.#port);
    const url = await local.url();
    for (const { id, ledger } of this.#talks) {
      const log = await readLog(url, id);
      if (!isPrefix(ledger, log)) this.faults.push(`${id}: shown events are gone or different`);
    }
    for (const id of this.#uploads.ledger) this.faults.push(...(await recordingFaults(url, id)));
    return { local, url };
  }

  /** A session that talks, uploads, and a run, unless enough are open. */
  async #load(url: string, signal: AbortSignal): Promise<Talk> {
    const talk = await Talk.open(url, this.#observations);
    this.#talks.push(talk);
    void talk.watch(url, signal);
    void this.#uploads.run(url, signal);
    if (this.#openRuns().length >= OPEN_RUNS_MAX) return talk;
    const api = new RunsApi(url);
    this.#repositoryId ??= (await api.addRepository(join(this.#dir, 'repository'))).id;
    const instruction = `[[simulate: steps ${STEPS}]] [[simulate: slow 700]] Write notes.`;
    const { id } = await api.working(instruction, await api.get(`/v1/repos/${this.#repositoryId}`));
    const ledger: EventEnvelope[] = [];
    const subscriber = new Subscriber({
      runId: id,
      urls: [url],
      observations: this.#observations,
      signal: this.#cut.signal,
      ledger,
    });
    this.#runs.push({ id, subscriber, ledger });
    void subscriber.watch();
    return talk;
  }

  /** Hits the part when the point has come; answers what was done. */
  async #strike(local: LocalStart, { part, phase, seen, delayMs }: Point): Promise<string> {
    if (phase === 'shutdown') {
      await this.#observations.at(['upload:answered'], ANY_POINT_TIMEOUT_MS, () => {});
      local.signal('npm', 'SIGTERM');
      await delay(delayMs);
      const isThere = local.signal(part);
      return `${part} in shutdown after ${delayMs} ms${isThere ? '' : ' (gone)'}`;
    }
    const { promise: done, resolve } = Promise.withResolvers<boolean>();
    const act = () => void setTimeout(() => resolve(local.signal(part)), delayMs);
    const point =
      (await this.#observations.at([seen], POINT_TIMEOUT_MS, act)) ??
      (await this.#observations.at(WORK_POINTS, ANY_POINT_TIMEOUT_MS, act));
    if (point === undefined)
      throw new Error(`nothing is seen of a system at work:\n${local.output}`);
    if (!(await done)) this.faults.push(`there was no ${part} to be hit at ${point}`);
    return `${part} at ${point} after ${delayMs} ms`;
  }

  /** The session is not cut, and uploads and runs go on; a lease may have to expire for these. */
  async #expectGoesOn(talk: Talk, runs: readonly Before[], what: string): Promise<void> {
    const { replies } = talk;
    const uploads = this.#uploads.ledger.length;
    const deadlineMs = performance.now() + GOES_ON_MS;
    const waits = () => [
      ...(talk.replies > replies + 1 ? [] : ['the session']),
      ...(this.#uploads.ledger.length > uploads ? [] : ['uploads']),
      ...runs.filter(({ run, events }) => run.ledger.length <= events).map(({ run }) => run.id),
    ];
    while (talk.isOpen && waits().length > 0 && performance.now() < deadlineMs) await delay(50);
    if (!talk.isOpen) this.faults.push(`${what}: the session was cut`);
    for (const one of waits()) this.faults.push(`${what}: ${one} did not go on`);
  }

  #expectNoneTakenOver(runs: readonly Before[], what: string): void {
    for (const { run, events } of runs) {
      const resumed = run.ledger.slice(events).find(({ type }) => type === 'run.resumed');
      if (resumed === undefined) continue;
      const how = JSON.stringify(resumed.data);
      this.faults.push(`${what}: ${run.id} was taken over, not gone on with: ${how}`);
    }
  }

  #openRuns(): FollowedRun[] {
    return this.#runs.filter(({ subscriber }) => subscriber.seen.ending === null);
  }

  async #runFaults(api: RunsApi, { id, subscriber, ledger }: FollowedRun): Promise<string[]> {
    const run = await api.run(id);
    const log = (await api.follow(id)).map(event => ({ ...event, attempt: event.attempt ?? null }));
    const judged: JudgedRun = {
      // Fences are not shown to clients.
      row: { ...run, fence: run.attempt, finishedAtMs: Date.parse(run.finished_at ?? '') },
      steps: STEPS,
      log: log as JudgedRun['log'],
      seen: [subscriber.seen],
      pushes: { asked: false, taken: [] },
    };
    const faults = [endFaults, logFaults, attemptFaults, lossFaults].flatMap(of => of(judged));
    if (!isPrefix(ledger, log) || ledger.length !== log.length) {
      faults.push(`${id}: its stream showed ${ledger.length} events, its log has ${log.length}`);
    }
    if (!isRunEnding(log.at(-1)!.type)) faults.push(`${id} did not end`);
    return [...faults, ...subscriber.seen.faults.map(fault => `${id}: ${fault}`)];
  }

  async #expectNothingLeft(local: LocalStart, what: string): Promise<void> {
    const left = await local.left();
    if (left.length === 0) return;
    this.faults.push(`${what}: left over: ${left.map(({ name }) => name).join(', ')}`);
    local.killAll();
    await local.left();
  }

  async #untilSeen(local: LocalStart, isIt: (found: Found) => boolean): Promise<void> {
    const deadlineMs = performance.now() + PHASE_TIMEOUT_MS;
    while (!local.processes().some(isIt) && performance.now() < deadlineMs) await delay(LOOK_MS);
  }
}

/** Whether a worker has begun with the run after that time. */
function beganAfter(log: readonly EventEnvelope[], timeMs: number): boolean {
  const began = log.findLast(({ type }) => type === 'run.started' || type === 'run.resumed');
  return began !== undefined && Date.parse(began.at) > timeMs;
}

/** By number, type and time. */
function isPrefix(shown: readonly EventEnvelope[], log: readonly EventEnvelope[]): boolean {
  return shown.every((event, index) => {
    const same = log[index];
    return same?.seq === event.seq && same.type === event.type && same.at === event.at;
  });
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
