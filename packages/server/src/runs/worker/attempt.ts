import type { RunReason } from '@holdfast/protocol';
import { HoldfastError, toHoldfastError } from '../../kernel/index.ts';
import type { Journal, NewEvent } from '../../platform/log/index.ts';
import type { Logger } from '../../platform/telemetry/index.ts';
import type { Agent, AgentOutcome, AgentVersion } from '../agents/agent.ts';
import { isSessionId } from '../agents/text.ts';
import type { HeldRun, RunEnd, RunOrder } from '../held-run.ts';
import { AgentProcess } from './agent-process.ts';
import { Checkpointer } from './checkpointer.ts';
import { deliverPatch, saveCheckpoint } from './deliver.ts';
import type { WorkerDeps } from './deps.ts';
import { openPlace, type RunPlace } from './place.ts';
import { finishCommand } from './tests-command.ts';
import { Watchdog } from './watchdog.ts';

/** Why an attempt stops before its agent is done. The first cause counts, but `lost` always. */
export type StopCause = 'cancel' | 'drain' | 'lost' | 'time_limit' | 'no_output';

/**
 * One attempt of one run, from the claim to the end of the lease:
 *
 *   preparing → tests before → agent at work ⇄ checkpoints → tests after → patch → finished
 *        └─────────────┴─────────────┴── stop(cancel, limits) ──▶ patch → finished
 *                                    └── stop(drain) ──▶ checkpoint → requeued
 *                                    └── stop(lost) ──▶ nothing more is written
 *
 * What the agent made is kept however the run ends. A failure of ours gives the lease up without an
 * end: the next attempt goes on from the last checkpoint, and after too many the run fails.
 */
export class Attempt {
  readonly run: HeldRun;
  /** Never rejects. */
  readonly done: Promise<void>;
  readonly #deps: WorkerDeps;
  readonly #log: Logger;
  readonly #journal: Journal;
  readonly #stopping = new AbortController();
  #cause: StopCause | undefined;
  #agent: AgentProcess | undefined;
  /** The newest message that was told to the agent, and the newest that it took. */
  #steered: number;
  #heard: number;
  #steering = Promise.resolve();
  #sessionId: string | null;
  #checkpoint: number;
  #hurried = false;

  constructor(deps: WorkerDeps, run: HeldRun) {
    this.#deps = deps;
    this.run = run;
    this.#log = deps.telemetry.log.child({ run_id: run.id, attempt: run.attempt });
    this.#journal = deps.driver.journal(run, () => this.stop('lost'));
    this.#steered = run.messageNumber;
    this.#heard = run.messageNumber;
    this.#sessionId = run.agentSessionId ?? run.continues?.agentSessionId ?? null;
    this.#checkpoint = run.checkpoint?.number ?? 0;
    if (run.cancelRequested) this.stop('cancel');
    this.done = this.#run();
  }

  get lastMessage(): number {
    return this.#steered;
  }

  stop(cause: StopCause): void {
    if (this.#cause === 'lost') return;
    if (this.#cause !== undefined && cause !== 'lost') return;
    this.#cause = cause;
    this.#stopping.abort();
    if (cause === 'lost') this.#agent?.kill();
    else this.#agent?.stop();
  }

  /** There is no time for a checkpoint: a run that is handed back goes on from the last one. */
  hurry(): void {
    this.#hurried = true;
    this.#agent?.kill();
  }

  /** What somebody wants of the run; the same order again changes nothing. */
  order(order: RunOrder): void {
    if (order.lost) {
      this.stop('lost');
      return;
    }
    if (order.cancelRequested) this.stop('cancel');
    for (const message of order.messages) {
      if (message.number <= this.#steered) continue;
      this.#steered = message.number;
      this.#steering = this.#steering.then(() => this.#steer(message));
    }
  }

  /** What the agent does not take becomes a run of its own after this one. */
  async #steer({ id, number, instruction }: RunOrder['messages'][number]): Promise<void> {
    if (!(await this.#agent?.steer(instruction))) return;
    this.#heard = number;
    this.#journal.push({ type: 'message.steered', data: { message_id: id } });
  }

  async #run(): Promise<void> {
    let place: RunPlace | undefined;
    try {
      if (this.#cause === 'cancel') return await this.#finish({ status: 'canceled', ...CANCELED });
      place = await openPlace(this.#deps, this.run);
      await this.#work(place);
    } catch (thrown) {
      await this.#failed(toHoldfastError(thrown));
    } finally {
      this.#journal.close();
      await place?.close();
    }
  }

  async #work(place: RunPlace): Promise<void> {
    const { agent, version } = await this.#findAgent();
    const { workspace } = place;
    await this.#deps.driver.started(this.run, {
      agentVersion: version.version,
      baseCommit: workspace.baseCommit,
      branch: workspace.branch,
      isolated: this.#deps.sandbox.isolated,
    });
    if (this.run.testBefore === null) await this.#test('before', place);
    const outcome = this.#cause === undefined ? await this.#agentAtWork(agent, place) : STOPPED;
    if (this.#cause === 'lost') return;
    if (this.#cause === 'drain') return await this.#handBack(place);
    if (outcome.kind === 'succeeded' && this.#cause === undefined) {
      await this.#test('after', place);
    }
    await this.#flush();
    await deliverPatch(this.#deps, this.run, place);
    await this.#save(place, true);
    // A drain may have come while the work was delivered; there is nothing left to hand on.
    await this.#finish({ ...endOf(outcome, this.#cause), heardThrough: this.#heard });
  }

  async #findAgent(): Promise<{ agent: Agent; version: AgentVersion }> {
    const agent = this.#deps.agents.find(({ name }) => name === this.run.agent);
    if (agent === undefined) throw new AgentMissing(`There is no agent ${this.run.agent} here.`);
    const version = await agent.probe();
    if (version.available) return { agent, version };
    const hint = version.install === null ? '' : ` Install it: ${version.install}`;
    throw new AgentMissing(`${agent.title} is not installed on this worker.${hint}`);
  }

  async #agentAtWork(agent: Agent, place: RunPlace): Promise<AgentOutcome> {
    const { limits } = this.#deps;
    const checkpointer = new Checkpointer(limits, () => this.#save(place, false));
    const elapsedMs = Math.max(0, Date.now() - this.run.startedAt.getTime());
    const watchdog = new Watchdog(limits, this.run.attempt === 1 ? 0 : elapsedMs, {
      onReason: reason => this.stop(reason),
      onHardLimit: () => this.#agent?.kill(),
    });
    const onEvent = (event: NewEvent) => {
      watchdog.heard();
      this.#note(event);
      checkpointer.noticed(event.type === 'tool.finished');
    };
    const context = place.agentContext(agent, { resume: agent.resumable ? this.#sessionId : null });
    this.#agent = new AgentProcess(agent, context, { graceMs: limits.stopGraceMs, onEvent });
    if (this.#cause !== undefined) this.#agent.stop();
    try {
      return await this.#agent.done;
    } finally {
      watchdog.stop();
      await checkpointer.stop();
      await this.#steering;
    }
  }

  #note(event: NewEvent): void {
    this.#journal.push(event);
    if (event.type !== 'agent.session' || !isSessionId(event.data.session_id)) return;
    this.#sessionId = event.data.session_id;
    this.#deps.driver.setAgentSession(this.run, this.#sessionId).catch((error: unknown) => {
      this.#log.warn('run.session_lost', { error });
    });
  }

  async #test(phase: 'before' | 'after', place: RunPlace): Promise<void> {
    const command = this.run.repository.testCommand;
    if (command === null) return;
    const process = place.spawn(['sh', '-c', command], {});
    const { testTimeMs } = this.#deps.limits;
    const result = await finishCommand(process, testTimeMs, this.#stopping.signal);
    if (this.#cause !== undefined) return;
    await this.#flush();
    await this.#deps.driver.setTests(this.run, { phase, ...result });
  }

  /** A checkpoint that fails is no reason to stop: the one before still counts. */
  async #save(place: RunPlace, force: boolean): Promise<void> {
    const number = this.#checkpoint + 1;
    const agentSessionId = this.#sessionId;
    try {
      await this.#flush();
      const state = { number, agentSessionId, force };
      if (await saveCheckpoint(this.#deps, this.run, place, state)) this.#checkpoint = number;
    } catch (error) {
      if (toHoldfastError(error).code === 'conflict') this.stop('lost');
      else this.#log.warn('run.checkpoint_failed', { number, error });
    }
  }

  async #handBack(place: RunPlace): Promise<void> {
    await this.#flush();
    if (!this.#hurried) await this.#save(place, true);
    if (this.#isLost()) return;
    await this.#deps.driver.requeue(this.run);
    this.#log.info('run.requeued');
    await this.#revoke();
  }

  async #flush(): Promise<void> {
    await this.#journal.flush(this.#deps.limits.flushMs);
  }

  async #finish(end: RunEnd): Promise<void> {
    await this.#flush();
    if (this.#isLost()) return;
    await this.#deps.driver.finish(this.run, end);
    await this.#revoke();
  }

  /** Not after a loss: the token may be the next attempt's. What is left expires by itself. */
  async #revoke(): Promise<void> {
    const { database, gateway } = this.#deps;
    await database
      .transaction(trx => gateway.revokeRunTokens(trx, this.run.id))
      .catch((error: unknown) => this.#log.warn('run.token_kept', { error }));
  }

  #isLost(): boolean {
    return this.#cause === 'lost';
  }

  /** What went wrong outside of the agent; a cause that lies in the request ends the run. */
  async #failed(error: HoldfastError): Promise<void> {
    if (error.code === 'conflict' || this.#isLost()) {
      return this.#log.warn('run.lease_lost', { error });
    }
    try {
      const reason = reasonOf(error);
      if (this.#cause === 'cancel') await this.#finish({ status: 'canceled', ...CANCELED });
      else if (reason !== null) {
        this.#log.warn('run.workspace_failed', { error });
        await this.#finish({ status: 'failed', reason, message: error.detail });
      } else {
        this.#log.error('run.attempt_failed', { error });
        await this.#deps.driver.abandon(this.run);
      }
    } catch (failure) {
      this.#log.error('run.release_failed', { error: failure });
    }
  }
}

class AgentMissing extends HoldfastError {
  constructor(detail: string) {
    super('unprocessable', detail, { field: 'agent' });
  }
}

const CANCELED = { reason: 'canceled' } as const;
const STOPPED: AgentOutcome = { kind: 'failed', reason: 'agent_error', message: 'Stopped.' };

function endOf(outcome: AgentOutcome, cause: StopCause | undefined): RunEnd {
  if (cause === 'cancel') return { status: 'canceled', ...CANCELED };
  if (cause === 'time_limit' || cause === 'no_output') {
    return { status: 'failed', reason: cause, message: MESSAGES[cause] };
  }
  if (outcome.kind === 'succeeded') {
    return { status: 'succeeded', reason: null, summary: outcome.summary };
  }
  return { status: 'failed', reason: outcome.reason, message: outcome.message };
}

const MESSAGES = {
  time_limit: 'The run took longer than it may.',
  no_output: 'The agent said nothing for too long.',
};

/** Null: another attempt may go better. */
function reasonOf(error: HoldfastError): RunReason | null {
  if (error instanceof AgentMissing) return 'agent_error';
  const final = ['invalid_request', 'unprocessable', 'payload_too_large', 'forbidden', 'gone'];
  return final.includes(error.code) ? 'workspace' : null;
}
