import { setTimeout as delay } from 'node:timers/promises';
import { newId } from '../../kernel/index.ts';
import type { Upstream } from '../../models/index.ts';
import type { Lease } from '../../platform/leases/index.ts';
import { type Logger, type Trace, traceLog } from '../../platform/telemetry/index.ts';
import { failureFields } from '../errors.ts';
import {
  createLeasedSession,
  type LeasedSession,
  type LeasedSessionDeps,
} from '../leased-session.ts';
import { lockBroken, updateTo } from '../locked-config.ts';
import { passedOn } from '../passed-on.ts';
import type { Json } from '../preview/session.ts';
import type { RegisteredSession, StopReason } from '../registry.ts';
import { judgeEnd, type SessionInput } from '../session.ts';
import type { SessionRow } from '../tables.ts';
import { hangUpPersistently } from './hang-up.ts';
import { type CallLimits, defaultCallLimits } from './limits.ts';
import { attachSideband, type Sideband, type SidebandEnd } from './sideband.ts';
import { hangUpUpstream } from './upstream-call.ts';

/**
 * One WebRTC call. Its media never passes here, so this holds only the sideband: log, usage and
 * expiry come from it. The call is hung up when its time is over or a request ends it.
 *
 *   attaching ──open──▶ attached ──lost──▶ attaching (backing off, a bounded number of times)
 *   attached ──1000, expired, or refused as gone when attaching again──▶ over
 *   any ──stop──▶ hung up, over ; stop('drain') ──▶ handed over, the call goes on
 *
 * A call whose sideband cannot be attached any more is hung up: its usage cannot be metered.
 *
 * Where parts are locked, the provider must report within `configurationTimeoutMs` of the first
 * attachment that they are as they were fixed. It is asked for that when it has said nothing for
 * half of the time; a refusal, another value and silence all end the call.
 */
export interface CallSessionOptions {
  readonly lease: Lease;
  readonly upstream: Upstream;
  /** The provider's id. */
  readonly callId: string;
  /** Ours, of the request that placed or took over the call; sent along upstream. */
  readonly requestId: string;
  /** The call's span; ended here. */
  readonly trace: Trace;
  readonly config: Json;
  readonly locked: readonly string[];
  readonly row: SessionRow;
  /** Another process has held the call before. */
  readonly takenOver: boolean;
  /** For the provider to report what holds, where parts are locked. */
  readonly configurationTimeoutMs: number;
  readonly limits?: Partial<CallLimits>;
}

type Ending = Exclude<SessionInput, { type: 'connect' }>;

const LOCK_BROKEN: Ending = { type: 'end', reason: 'locked_configuration' };
const STOPS: Readonly<Record<Exclude<StopReason, 'drain' | 'lost'>, Ending>> = {
  end: { type: 'end', reason: 'end_requested' },
  erase: { type: 'end', reason: 'deleted' },
  expired: { type: 'expire', reason: 'session_expired' },
  revoked: { type: 'end', reason: 'access_revoked' },
  budget: { type: 'end', reason: 'budget_exceeded' },
};

export class CallSession implements RegisteredSession {
  readonly transport = 'webrtc';
  readonly leased: LeasedSession;
  readonly done: Promise<void>;
  readonly #deps: LeasedSessionDeps;
  readonly #options: CallSessionOptions;
  readonly #limits: CallLimits;
  readonly #log: Logger;
  readonly #waiting = new AbortController();
  #first: Json | undefined;
  #sideband: Sideband | undefined;
  #stopped: StopReason | undefined;
  #lockBroken = false;
  readonly #configurationId = newId('evt');
  /** Runs until the provider has reported what holds. */
  #confirming: NodeJS.Timeout | undefined;
  /** Since the last attachment that lasted. */
  #attempts = 0;
  #openedAtMs: number | undefined;
  #heardAtMs = performance.now();

  constructor(deps: LeasedSessionDeps, options: CallSessionOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#limits = { ...defaultCallLimits, ...options.limits };
    const { lease, requestId, trace } = options;
    const facts = { session_id: lease.subject, request_id: requestId, trace_id: trace.traceId };
    this.#log = traceLog(deps.telemetry.log.child(facts), trace);
    trace.set({ 'session.id': lease.subject });
    this.leased = createLeasedSession(deps, {
      lease,
      trace,
      row: options.row,
      onOverBudget: error => {
        this.#log.warn('session.over_budget', { error });
        this.stop('budget');
      },
      onLost: loss => this.stop(loss === 'erased' ? 'erase' : 'lost'),
      onConfiguration: session => this.#watchLocks(session),
      onError: error => {
        if (error.event_id === this.#configurationId) this.#breakLock({ code: error.code });
      },
    });
    if (options.takenOver) this.leased.tap.meter.resume();
    this.done = this.#run().finally(() => trace.end());
  }

  idleMs(): number {
    return performance.now() - this.#heardAtMs;
  }

  stop(reason: StopReason): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = reason;
    this.#waiting.abort();
    this.#sideband?.close();
  }

  async #run(): Promise<void> {
    let ending: Ending | undefined;
    let end: SidebandEnd | undefined;
    while (this.#stopped === undefined && ending === undefined) {
      end = await this.#attachment();
      ending = this.#judge(end);
      if (ending === undefined && this.#stopped === undefined) await this.#backOff();
    }
    clearTimeout(this.#confirming);
    const stopped = this.#stopped;
    if (stopped === 'drain') {
      if (!(await this.leased.handOver())) await this.#hangUp();
      return;
    }
    if (stopped === 'lost') return this.leased.drop();
    ending = stopped === undefined ? ending! : STOPS[stopped];
    if (stopped !== undefined || ending.type === 'lose') await this.#hangUp();
    await this.leased.release(ending, { code: end?.code ?? null, text: end?.reason ?? '' });
  }

  /** One attachment, from the handshake to its end. */
  async #attachment(): Promise<SidebandEnd> {
    const { upstream, callId, requestId } = this.#options;
    const { promise, resolve } = Promise.withResolvers<SidebandEnd>();
    const { signal } = this.#waiting;
    this.#attempts += 1;
    this.#openedAtMs = undefined;
    try {
      const passed = passedOn(this.#options.trace);
      const target = { upstream, callId, requestId, passedOn: passed, signal };
      this.#sideband = await attachSideband(target, {
        onOpen: () => {
          this.#openedAtMs = performance.now();
          this.#log.info('upstream.connected', { transport: 'sideband' });
          this.#awaitConfiguration();
          if (this.#stopped !== undefined) this.#sideband?.close();
        },
        onText: text => {
          this.#heardAtMs = performance.now();
          this.leased.tap.server(text);
        },
        onEnd: resolve,
      });
      if (this.#stopped !== undefined) this.#sideband.close();
    } catch (error) {
      this.#log.warn('sideband.failed', { error });
      resolve({ kind: 'refused', status: undefined, code: 1006, reason: '' });
    }
    return await promise;
  }

  /** What the end of an attachment means; undefined: attach again. */
  #judge(end: SidebandEnd): Ending | undefined {
    const { kind, status, refusal, code, reason } = end;
    const { attachAttempts, stableAfterMs } = this.#limits;
    const lastedMs = this.#openedAtMs === undefined ? -1 : performance.now() - this.#openedAtMs;
    if (lastedMs >= stableAfterMs) this.#attempts = 0;
    const words = refusal && failureFields(refusal);
    this.#log.info('sideband.closed', { kind, status, close_code: code, ...words });
    if (this.#lockBroken) return LOCK_BROKEN;
    const gone = kind === 'refused' && (status === 404 || status === 410);
    if (gone && (this.#first !== undefined || this.#attempts >= attachAttempts)) {
      return { type: 'end', reason: 'client_closed' };
    }
    if (kind === 'closed') {
      const { upstreamExpired } = this.leased.tap;
      const judged = judgeEnd({
        initiator: 'upstream',
        cause: 'close',
        clientCode: code,
        upstreamCode: code,
        reason,
        upstreamExpired,
      });
      // The provider closes the sideband of a call that is over.
      if (judged.type === 'end') return { type: 'end', reason: 'client_closed' };
      if (judged.type === 'expire') return judged;
    }
    if (this.#attempts < attachAttempts) return undefined;
    this.#deps.metrics.upstreamErrors.add(1, { reason: 'sideband_lost' });
    return { type: 'lose', reason: 'upstream_lost' };
  }

  async #backOff(): Promise<void> {
    const { backoffMinMs, backoffMaxMs } = this.#limits;
    const ms = Math.min(backoffMinMs * 2 ** this.#attempts, backoffMaxMs);
    const { signal } = this.#waiting;
    await delay(ms, undefined, { signal, ref: false }).catch(() => {});
  }

  #awaitConfiguration(): void {
    const { locked, configurationTimeoutMs } = this.#options;
    if (locked.length === 0 || this.#first !== undefined || this.#confirming !== undefined) return;
    const halfMs = configurationTimeoutMs / 2;
    this.#confirming = setTimeout(() => {
      const question = { ...updateTo(this.#options.config), event_id: this.#configurationId };
      this.#sideband?.send(JSON.stringify(question));
      this.#confirming = setTimeout(() => this.#breakLock({ code: 'unconfirmed' }), halfMs);
    }, halfMs);
  }

  #watchLocks(session: Json): void {
    clearTimeout(this.#confirming);
    this.#first ??= session;
    if (lockBroken(this.#options, { first: this.#first, now: session })) this.#breakLock({});
  }

  #breakLock(facts: { readonly code?: unknown }): void {
    if (this.#lockBroken) return;
    this.#log.warn('session.lock_broken', { locked: this.#options.locked, ...facts });
    this.#lockBroken = true;
    void this.#hangUp();
    this.#sideband?.close();
  }

  async #hangUp(): Promise<void> {
    const { upstream, callId, requestId } = this.#options;
    const hangUp = () => hangUpUpstream(upstream, callId, requestId);
    await hangUpPersistently(this.#log, hangUp, this.#limits);
  }
}
