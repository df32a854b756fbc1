import { type HoldfastError, toHoldfastError, unlessAborted } from '../../kernel/index.ts';
import type { Trx } from '../../platform/database/index.ts';
import type { Journal, NewEvent } from '../../platform/log/index.ts';
import type { Logger } from '../../platform/telemetry/index.ts';
import type { Agent, AgentOutcome } from '../agents/agent.ts';
import { isSessionId } from '../agents/text.ts';
import type { ClaimedRun, RunEnd, RunSignals } from '../claimed-run.ts';
import { AgentProcess } from './agent-process.ts';
import {
  endOf,
  endOfFailure,
  findAgent,
  isLimit,
  isQuota,
  STOPPED,
  type StopCause,
} from './attempt-end.ts';
import { Checkpointer, deliverPatch, saveCheckpoint } from './checkpoint.ts';
import type { WorkerDeps } from './deps.ts';
import { LogQuota } from './log-quota.ts';
import { RunEnvironment } from './run-environment.ts';
import { finishCommand } from './tests-command.ts';
import { Watchdog } from './watchdog.ts';

/** For an agent's last events, where there is no time to wait for the log. */
const HURRIED_FLUSH_MS = 500;

/**
 * One attempt of one run, from the claim to the end of the lease:
 *
 *   preparing → tests before → agent at work ⇄ checkpoints → tests after → patch → finished
 *        └─────────────┴─────────────┴── stop(cancel, limits) ──▶ patch → finished
 *        │                           └── stop(drain) ──▶ checkpoint → requeued
 *        └── stop(drain) ──▶ requeued, and stop(lost) at any time ──▶ nothing more is written
 *
 * What the agent made is kept however the run ends. A failure of ours gives the lease up without an
 * end: the next attempt goes on from the last checkpoint, and after too many the run fails.
 */
export class Attempt {
  readonly run: ClaimedRun;
  /** Never rejects. */
  readonly done: Promise<void>;
  readonly #deps: WorkerDeps;
  readonly #log: Logger;
  readonly #journal: Journal;
  readonly #stopping = new AbortController();
  /** Aborted when another worker continues this run: preparation stops. */
  readonly #leaving = new AbortController();
  /** Aborted when no time is left for long steps. */
  readonly #hurrying = new AbortController();
  #opening: Promise<RunEnvironment> | undefined;
  #cause: StopCause | undefined;
  #agent: AgentProcess | undefined;
  /** The newest message that was offered to the agent, and the newest that it took. */
  #offered: number;
  #steered: number;
  /** The agent did not take a message: later ones wait too, so that the order is kept. */
  #missed = false;
  #steering = Promise.resolve();
  #sessionId: string | null;
  #checkpoint: number;
  /** The last checkpoint failed, and its files may never change again. */
  #owed = false;

  constructor(deps: WorkerDeps, run: ClaimedRun) {
    this.#deps = deps;
    this.run = run;
    this.#log = deps.telemetry.log.child({ run_id: run.id, attempt: run.attempt });
    this.#journal = deps.driver.journal(run, () => this.stop('lost'));
    this.#offered = run.messageNumber;
    this.#steered = run.messageNumber;
    this.#sessionId = run.agent_session_id ?? run.continues?.agent_session_id ?? null;
    this.#checkpoint = run.checkpoint?.number ?? 0;
    if (run.cancel_requested_at !== null) this.stop('cancel');
    this.done = this.#run();
  }

  get lastMessage(): number {
    return this.#offered;
  }

  stop(cause: StopCause): void {
    if (this.#cause === 'lost' || (this.#cause !== undefined && cause !== 'lost')) return;
    this.#cause = cause;
    this.#stopping.abort();
    if (isLimit(cause)) {
      const { meter } = this.#deps.telemetry;
      meter.createCounter('holdfast_runs_limited_total').add(1, { reason: cause });
    }
    if (cause === 'lost' || cause === 'drain') this.#leaving.abort();
    if (cause === 'lost' || isQuota(cause)) this.#agent?.kill();
    else this.#agent?.stop();
  }

  /** There is no time for a checkpoint: a run that is handed back goes on from the last one. */
  hurry(): void {
    this.#hurrying.abort();
    this.#agent?.kill();
  }

  /** Follows the signals of the run; the same signals again change nothing. */
  follow(signals: RunSignals): void {
    if (signals.lost) return void this.stop('lost');
    if (signals.cancelRequested) this.stop('cancel');
    for (const message of signals.messages) {
      if (message.number <= this.#offered) continue;
      this.#offered = message.number;
      this.#steering = this.#steering.then(() => this.#steer(message));
    }
  }

  /** A message that the agent does not take becomes a run of its own after this one. */
  async #steer({ id, number, instruction }: RunSignals['messages'][number]): Promise<void> {
    if (this.#missed) return;
    try {
      this.#missed = !((await this.#agent?.steer(instruction)) ?? false);
    } catch (error) {
      this.#missed = true;
      this.#log.warn('run.steering_failed', { error });
    }
    if (this.#missed) return;
    this.#steered = number;
    this.#journal.push({ type: 'message.steered', data: { message_id: id } });
  }

  async #run(): Promise<void> {
    try {
      // The checkpoint of an earlier attempt is still delivered.
      if (this.#cause === 'cancel' && this.run.checkpoint === null) {
        return await this.#finish(endOf(STOPPED, 'cancel'));
      }
      const environment = await unlessAborted(this.#leaving.signal, () => {
        this.#opening = RunEnvironment.open(this.#deps, this.run);
        return this.#opening;
      });
      if (environment !== undefined) await this.#work(environment);
      // Stopped before there was anything to keep.
      else if (this.#cause === 'drain') await this.#handBack(undefined);
    } catch (thrown) {
      await this.#failed(toHoldfastError(thrown));
    } finally {
      this.#journal.close();
      await this.#opening?.then(environment => environment.close()).catch(() => undefined);
      // A worker that could not renew its leases for a while may still have them: given up, the run
      // goes on elsewhere. The fence keeps a lease that another worker has by now untouched.
      if (this.#isLost()) {
        await this.#deps.driver.abandon(this.run).catch((error: unknown) => {
          this.#log.warn('run.release_failed', { error });
        });
      }
    }
  }

  async #work(environment: RunEnvironment): Promise<void> {
    const { agent, version } = await findAgent(this.#deps.agents, this.run.agent);
    const { workspace } = environment;
    await this.#deps.driver.workspaceReady(this.run, {
      agentVersion: version.version,
      baseCommit: workspace.baseCommit,
      branch: workspace.branch,
      isolated: this.#deps.sandbox.isolated,
    });
    const unwatch = environment.watch(excess => this.stop(excess));
    if (this.run.test_before === null && this.#cause === undefined) {
      await this.#test('before', environment);
    }
    const outcome =
      this.#cause === undefined ? await this.#agentAtWork(agent, environment) : STOPPED;
    // The kernel may have ended the agent itself.
    if (environment.ranOutOfMemory) this.stop('memory_limit');
    if (this.#cause === 'lost') return;
    if (this.#cause === 'drain') return await this.#handBack(environment);
    if (outcome.kind === 'succeeded' && this.#cause === undefined) {
      await this.#test('after', environment);
    }
    unwatch();
    await this.#deliver(environment);
    // A drain may have come while the work was delivered; there is nothing left to hand on.
    await this.#finish({ ...endOf(outcome, this.#cause), steeredThrough: this.#steered });
  }

  /** Saves the checkpoint also where the patch fails: the work must not be lost. */
  async #deliver(environment: RunEnvironment): Promise<void> {
    try {
      await this.#flush();
      await deliverPatch(this.#deps, this.run, environment);
    } finally {
      await this.#save(environment, true);
      await environment.settled();
    }
  }

  async #agentAtWork(agent: Agent, environment: RunEnvironment): Promise<AgentOutcome> {
    const { limits } = this.#deps;
    const quota = await this.#logQuota();
    const checkpointer = new Checkpointer(limits, () => this.#save(environment, false));
    const elapsedMs = Math.max(0, Date.now() - this.run.started_at.getTime());
    const watchdog = new Watchdog(limits, this.run.attempt === 1 ? 0 : elapsedMs, {
      onReason: reason => this.stop(reason),
      onHardLimit: () => this.#agent?.kill(),
    });
    const emit = (event: NewEvent) => {
      watchdog.noteEvent();
      if (!quota.admits(event)) return this.stop('log_limit');
      this.#journal.push(event);
      if (event.type === 'agent.session' && isSessionId(event.data.session_id)) {
        this.#sessionId = event.data.session_id;
      }
      checkpointer.noticed(event.type === 'tool.finished');
    };
    const resume = agent.resumable ? this.#sessionId : null;
    const context = environment.agentContext(agent, { resume, emit });
    try {
      this.#agent = new AgentProcess(agent, context, { graceMs: limits.stopGraceMs });
      if (this.#cause !== undefined) this.#agent.stop();
      return await this.#agent.done;
    } finally {
      watchdog.stop();
      await unlessAborted(this.#hurrying.signal, () => checkpointer.stop());
      await this.#steering;
    }
  }

  async #logQuota(): Promise<LogQuota> {
    const { database, log, limits } = this.#deps;
    // Earlier attempts have logged what this one goes on from.
    const isFirst = this.run.attempt === 1;
    const before = isFirst
      ? { events: 0, sizeBytes: 0 }
      : await log.useOf(database.db, this.run.id);
    return new LogQuota(limits, before);
  }

  async #test(phase: 'before' | 'after', environment: RunEnvironment): Promise<void> {
    const command = this.run.repository.testCommand;
    if (command === null) return;
    const process = await environment.spawnTests(command);
    const { testTimeMs } = this.#deps.limits;
    const result = await finishCommand(process, testTimeMs, this.#stopping.signal);
    if (this.#cause !== undefined) return;
    await this.#flush();
    await this.#deps.driver.setTests(this.run, { phase, ...result });
  }

  /** A checkpoint that fails is no reason to stop: the one before still counts. */
  async #save(environment: RunEnvironment, force: boolean): Promise<void> {
    const number = this.#checkpoint + 1;
    const agentSessionId = this.#sessionId;
    try {
      await this.#flush();
      const isSaved = await saveCheckpoint(this.#deps, this.run, environment, {
        number,
        agentSessionId,
        force: force || this.#owed,
        agent: this.#agent,
      });
      if (isSaved) this.#checkpoint = number;
      this.#owed = false;
    } catch (error) {
      this.#owed = true;
      if (toHoldfastError(error).code === 'conflict') this.stop('lost');
      else this.#log.warn('run.checkpoint_failed', { number, error });
    }
  }

  async #handBack(environment: RunEnvironment | undefined): Promise<void> {
    if (environment !== undefined) {
      await unlessAborted(this.#hurrying.signal, async () => {
        await this.#flush();
        await this.#save(environment, true);
        await environment.settled();
      });
      await this.#journal.flush(HURRIED_FLUSH_MS);
    }
    if (this.#isLost()) return;
    await this.#deps.driver.requeue(this.run, trx => this.#revokeTokens(trx));
    this.#log.info('run.requeued');
  }

  async #flush(): Promise<void> {
    await this.#journal.flush(this.#deps.limits.flushMs);
  }

  async #finish(end: RunEnd): Promise<void> {
    await this.#flush();
    if (this.#isLost()) return;
    await this.#deps.driver.finish(this.run, end, trx => this.#revokeTokens(trx));
  }

  /**
   * In the transaction of the end, so that only the attempt that ends the run revokes, and no call
   * follows the end.
   */
  #revokeTokens(trx: Trx): Promise<void> {
    return this.#deps.gateway.revokeRunTokens(trx, this.run.id);
  }

  #isLost(): boolean {
    return this.#cause === 'lost';
  }

  /** Handles a failure outside of the agent; a cause that lies in the request ends the run. */
  async #failed(error: HoldfastError): Promise<void> {
    if (error.code === 'conflict' || this.#isLost()) {
      this.#cause = 'lost';
      return this.#log.warn('run.lease_lost', { error });
    }
    try {
      const end = endOfFailure(error, this.#cause);
      if (end !== null) {
        this.#log.warn('run.workspace_failed', { error });
        await this.#finish(end);
      } else {
        this.#log.error('run.attempt_failed', { error });
        await this.#deps.driver.abandon(this.run);
      }
    } catch (failure) {
      this.#log.error('run.release_failed', { error: failure });
    }
  }
}
