import { setTimeout as delay } from 'node:timers/promises';
import type { HoldfastAcknowledgedEvent, HoldfastSessionEvent } from '@holdfast/protocol';
import type { Principal } from '../auth/index.ts';
import { newId } from '../kernel/index.ts';
import type { Logger, Trace } from '../platform/telemetry/index.ts';
import { persist } from '../work/index.ts';
import type { LeasedSession } from './leased-session.ts';
import { isObject, type Json } from './preview/session.ts';
import type { WayBack } from './registry.ts';
import {
  EVENT_TYPE,
  type Relay,
  type RelayPeer,
  type Resumption,
  type SideEnd,
} from './relay/index.ts';
import { ResumeHandles } from './resume-handle.ts';
import { judgeEnd } from './session.ts';
import type { Protocol, SessionRow } from './tables.ts';
import { parse } from './tap.ts';
import { connectSession, type TransitionDeps, transition } from './transitions.ts';

/**
 * The connections of one session's client, one after the other. Where its line drops, the session
 * goes on without it for the reconnect window: the upstream stays open, and what it says is kept.
 *
 *   here ──line drops──▶ away ──resume──▶ here
 *     └──resume (the newest connection counts)──▶ here
 *   away ──the window is over──▶ over: `onOver` ends the session
 *
 * The session's row follows, and while the database is away it stays behind: a client comes back by
 * what this process knows.
 */
export interface ClientLineOptions {
  readonly deps: TransitionDeps;
  readonly leased: LeasedSession;
  readonly row: SessionRow;
  readonly protocol: Protocol;
  readonly trace: Trace;
  readonly log: Logger;
  readonly relay: () => Relay | undefined;
  /** The configuration as the provider reports it; undefined before its first word. */
  readonly config: () => Json | undefined;
  /** An event of the provider's shape, as this client is shown it. */
  readonly shown: (event: string) => readonly string[];
  /** The client wants to know how many of its messages were taken. */
  readonly acknowledges: boolean;
  readonly onOver: () => void;
  /** Its row is final. */
  readonly onGone: () => void;
}

/** A connection of which nothing is heard for so long after a ping is dead. */
const ANSWER_WITHIN_MS = 2_000;
/** How often a client hears how many of its messages were taken. */
const ACKNOWLEDGE_MS = 1_000;
const READY_WITHIN_MS = 10_000;
const LOOK_MS = 20;
const FLUSH_MS = 1_000;

export class ClientLine implements WayBack {
  readonly protocol: Protocol;
  readonly #options: ClientLineOptions;
  readonly #handles: ResumeHandles;
  #window: NodeJS.Timeout | undefined;
  #awaySinceMs: number | undefined;
  #isStopped = false;
  readonly #acknowledging: NodeJS.Timeout | undefined;
  #acknowledgedInput = 0;
  /** Of the row, one after the other. */
  #writes: Promise<void> = Promise.resolve();

  constructor(options: ClientLineOptions) {
    this.#options = options;
    this.protocol = options.protocol;
    this.#handles = new ResumeHandles(options.leased.id);
    if (!options.acknowledges || this.#windowMs === 0) return;
    this.#acknowledging = setInterval(() => this.#acknowledge(), ACKNOWLEDGE_MS);
    this.#acknowledging.unref();
  }

  get #windowMs(): number {
    return this.#options.deps.reconnectWindowMs;
  }

  /** Nobody is awaited any more. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#window);
    clearInterval(this.#acknowledging);
  }

  #acknowledge(): void {
    const relay = this.#options.relay();
    if (relay === undefined || relay.absent) return;
    const input = relay.counters.clientToUpstream.messages;
    if (input === this.#acknowledgedInput) return;
    this.#acknowledgedInput = input;
    const event: HoldfastAcknowledgedEvent = {
      type: 'holdfast.session.acknowledged',
      event_id: newId('evt'),
      input,
    };
    relay.inject(JSON.stringify(event));
  }

  /** Once nothing more is to be written of it. */
  written(): Promise<void> {
    return this.#writes;
  }

  /** Our event that follows the provider's `session.created` on each connection. */
  introduction(resumption?: Resumption): string {
    const { deps, leased } = this.#options;
    const event: HoldfastSessionEvent = {
      type: 'holdfast.session',
      event_id: newId('evt'),
      session: {
        id: leased.id,
        revision: deps.revision,
        replica: deps.leases.replica,
        resume_token: this.#windowMs > 0 ? this.#handles.handle : null,
        ...(resumption && { resumed: resumption }),
      },
    };
    return JSON.stringify(event);
  }

  acknowledged(): void {
    this.#handles.confirm();
  }

  /** Whether the client is awaited whose connection ended like that; it is from now on, then. */
  mayAwait(end: SideEnd): boolean {
    const { config, log, leased } = this.#options;
    if (this.#isStopped || this.#windowMs === 0 || config() === undefined) return false;
    const { cause, code: clientCode, reason } = end;
    const facts = { cause, clientCode, upstreamCode: clientCode, reason, upstreamExpired: false };
    const input = judgeEnd({ ...facts, initiator: 'client' });
    if (input.type !== 'lose' || cause === 'violation') return false;
    this.#awaySinceMs = performance.now();
    this.#window = setTimeout(() => {
      this.#options.deps.metrics.absences.add(1, { end: 'over' });
      this.#options.onOver();
    }, this.#windowMs);
    this.#window.unref();
    log.info('client.lost', { cause, close_code: clientCode, window_ms: this.#windowMs });
    const code = clientCode === ABNORMAL ? null : clientCode;
    this.#write(async () => {
      const { deps, trace } = this.#options;
      const actor = `replica:${deps.leases.replica}`;
      const { lease } = leased;
      const options = { actor, close: { code }, traceId: trace.traceId, lease, isKept: true };
      await transition(deps, leased.id, input, options);
    });
    return true;
  }

  /** Whether that caller may go on with this session at all. */
  isOf({ id, projectId, grant }: Principal): boolean {
    const { created_by, project_id, secret_id } = this.#options.row;
    if (id !== created_by || projectId !== project_id) return false;
    return grant === undefined || grant.secretId === secret_id;
  }

  isBySecret(secretId: string): boolean {
    return this.#options.row.secret_id === secretId;
  }

  /** Hashes of the handles that are good. */
  get handles(): readonly string[] {
    return this.#handles.record();
  }

  restore(handles: readonly string[]): void {
    this.#handles.restore(handles);
  }

  admits(handle: string): boolean {
    return this.#windowMs > 0 && this.#handles.admits(handle);
  }

  /** Whether the present connection answers. */
  async isAnswering(): Promise<boolean> {
    const relay = this.#options.relay();
    if (relay === undefined || this.#windowMs === 0) return true;
    if (relay.absent) return false;
    const heard = relay.clientBytes;
    relay.probeClient();
    return until(() => relay.clientBytes !== heard, ANSWER_WITHIN_MS);
  }

  get isOver(): boolean {
    return this.#isStopped || this.#options.relay()?.closing !== false;
  }

  async isReady(): Promise<boolean> {
    const { relay, config } = this.#options;
    relay()?.makeRoom();
    await until(() => this.isOver || relay()!.attachable, READY_WITHIN_MS);
    return !this.isOver && relay()!.attachable && config() !== undefined;
  }

  get sentMessages(): number {
    return this.#options.relay()?.sentMessages ?? 0;
  }

  /** Once `isReady`, in the same turn. */
  resume(peer: RelayPeer, received: number | null): void {
    const { relay, deps, leased, protocol, trace, onGone } = this.#options;
    clearTimeout(this.#window);
    this.#handles.renew();
    const awayMs = this.#awaySinceMs === undefined ? 0 : performance.now() - this.#awaySinceMs;
    this.#awaySinceMs = undefined;
    let facts: Resumption | undefined;
    relay()!.attachClient(peer, received, resumption => {
      facts = resumption;
      return this.welcome(resumption);
    });
    const { lost, withheld } = facts!;
    const resumed = { away_ms: Math.round(awayMs), lost, withheld };
    this.#write(async () => {
      const { lease } = leased;
      const { transport } = { transport: 'websocket' } as const;
      const { traceId } = trace;
      const { handles } = this;
      const connection = { lease, transport, protocol, traceId, handles, resumed };
      if (!(await connectSession(deps, connection))) onGone();
    });
  }

  /** The first events of a connection that goes on. */
  welcome(resumption: Resumption): string[] {
    const { config, shown, log, deps } = this.#options;
    const { lost, withheld } = resumption;
    log.info('client.resumed', { lost, withheld });
    deps.metrics.absences.add(1, { end: 'resumed' });
    const created = { type: 'session.created', event_id: newId('evt'), session: config() };
    return [...shown(JSON.stringify(created)), this.introduction(resumption)];
  }

  #write(work: () => Promise<void>): void {
    const { leased, log } = this.#options;
    this.#writes = this.#writes
      .then(() => leased.journal.flush(FLUSH_MS))
      .then(() => persist(work))
      .catch((error: unknown) => log.warn('client.line_unrecorded', { error }));
  }
}

const ABNORMAL = 1006;

/** Whether it came true in time. */
async function until(condition: () => boolean, withinMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > deadlineMs) return false;
    await delay(LOOK_MS, undefined, { ref: false });
  }
  return true;
}

/** Messages of the provider's that carry out a call, by where the call stands in them. */
function callsIn(event: Json): unknown[] {
  const { item, response } = event;
  if (isObject(item)) return [item];
  return isObject(response) && Array.isArray(response.output) ? response.output : [];
}

/**
 * What a client that may have had it must not get again: a piece of sound or of words would stand
 * twice, and a function would be called twice. Everything else says the same when it is said again.
 */
export function isForOnce(text: string): boolean {
  const type = EVENT_TYPE.exec(text)?.[1];
  if (type?.endsWith('.delta') || type === 'response.function_call_arguments.done') return true;
  if (!text.includes('function_call')) return false;
  const event = parse(text);
  return (
    event === undefined ||
    callsIn(event).some(item => isObject(item) && item.type === 'function_call')
  );
}
