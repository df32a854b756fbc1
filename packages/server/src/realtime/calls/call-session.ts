import { setTimeout as delay } from 'node:timers/promises';
import type { SessionUsage } from '@holdfast/protocol';
import type { Upstream } from '../../models/index.ts';
import type { Lease } from '../../platform/leases/index.ts';
import type { Logger } from '../../platform/telemetry/index.ts';
import { lockBroken } from '../config.ts';
import { createHolder, type Holder } from '../holder.ts';
import type { LifecycleDeps } from '../lifecycle.ts';
import type { LiveSession, StopReason } from '../live.ts';
import type { Json } from '../preview/session.ts';
import { judgeEnd, type SessionInput } from '../session.ts';
import { attachSideband, type Sideband, type SidebandEnd } from './sideband.ts';
import { hangUpUpstream } from './upstream-call.ts';

/**
 * One WebRTC call. Its media never passes here, so what this holds is the sideband: log, usage and
 * expiry come from it, and the hang-up goes out when the time is over or somebody ends it.
 *
 *   attaching ──open──▶ attached ──lost──▶ attaching (backing off, a bounded number of times)
 *   attached ──1000, expired, or refused as gone when attaching again──▶ over
 *   any ──stop──▶ hung up, over ; stop('drain') ──▶ handed over, the call goes on
 *
 * A call whose sideband cannot be had any more is hung up: what cannot be metered must not go on.
 */
export const ATTACH_ATTEMPTS = 8;
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 8_000;
const HANGUP_ATTEMPTS = 3;

export interface CallSessionOptions {
  readonly lease: Lease;
  readonly upstream: Upstream;
  /** The provider's id. */
  readonly callId: string;
  readonly config: Json;
  readonly locked: readonly string[];
  readonly usage?: SessionUsage;
}

type Ending = Exclude<SessionInput, { type: 'connect' }>;

const STOPS: Readonly<Record<Exclude<StopReason, 'drain' | 'lost'>, Ending>> = {
  end: { type: 'end', reason: 'end_requested' },
  erase: { type: 'end', reason: 'deleted' },
  expired: { type: 'expire', reason: 'session_expired' },
};

export class CallSession implements LiveSession {
  readonly transport = 'webrtc';
  readonly holder: Holder;
  readonly done: Promise<void>;
  readonly #deps: LifecycleDeps;
  readonly #options: CallSessionOptions;
  readonly #log: Logger;
  readonly #waiting = new AbortController();
  #first: Json | undefined;
  #sideband: Sideband | undefined;
  #stopped: StopReason | undefined;
  #lockBroken = false;
  #attempts = 0;
  #heardAtMs = performance.now();

  constructor(deps: LifecycleDeps, options: CallSessionOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#log = deps.telemetry.log.child({ session_id: options.lease.subject });
    this.holder = createHolder(deps, {
      lease: options.lease,
      onLost: loss => this.stop(loss === 'erased' ? 'erase' : 'lost'),
      onConfiguration: session => this.#watchLocks(session),
      ...(options.usage && { usage: options.usage }),
    });
    this.done = this.#run();
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
    const stopped = this.#stopped;
    if (stopped === 'drain') return this.holder.handOver();
    if (stopped === 'lost') return this.holder.journal.close();
    ending = stopped === undefined ? ending! : STOPS[stopped];
    if (stopped !== undefined || ending.type === 'lose') await this.#hangUp();
    await this.holder.release(ending, end?.code ?? null);
  }

  /** One attachment, from the handshake to its end. */
  async #attachment(): Promise<SidebandEnd> {
    const { upstream, callId } = this.#options;
    const { promise, resolve } = Promise.withResolvers<SidebandEnd>();
    this.#attempts += 1;
    try {
      this.#sideband = await attachSideband(upstream, callId, {
        onOpen: () => {
          this.#attempts = 0;
          this.#log.info('upstream.connected', { transport: 'sideband' });
          if (this.#stopped !== undefined) this.#sideband?.close();
        },
        onText: text => {
          this.#heardAtMs = performance.now();
          this.holder.tap.server(text);
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
    const { kind, status, code, reason } = end;
    this.#log.info('sideband.closed', { kind, status, close_code: code });
    if (this.#lockBroken) return { type: 'end', reason: 'locked_configuration' };
    const gone = kind === 'refused' && (status === 404 || status === 410);
    if (gone && (this.#first !== undefined || this.#attempts >= ATTACH_ATTEMPTS)) {
      return { type: 'end', reason: 'client_closed' };
    }
    if (kind === 'closed') {
      const { upstreamExpired } = this.holder.tap;
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
    if (this.#attempts < ATTACH_ATTEMPTS) return undefined;
    this.#deps.metrics.upstreamErrors.add(1, { reason: 'sideband_lost' });
    return { type: 'lose', reason: 'upstream_lost' };
  }

  async #backOff(): Promise<void> {
    const ms = Math.min(BACKOFF_MIN_MS * 2 ** this.#attempts, BACKOFF_MAX_MS);
    const { signal } = this.#waiting;
    await delay(ms, undefined, { signal, ref: false }).catch(() => {});
  }

  #watchLocks(session: Json): void {
    this.#first ??= session;
    const { config, locked } = this.#options;
    if (!lockBroken({ config, first: this.#first, now: session }, locked)) return;
    this.#log.warn('session.lock_broken', { locked });
    this.#lockBroken = true;
    void this.#hangUp();
    this.#sideband?.close();
  }

  async #hangUp(): Promise<void> {
    const { upstream, callId } = this.#options;
    for (let attempt = 1; attempt <= HANGUP_ATTEMPTS; attempt++) {
      try {
        return await hangUpUpstream(upstream, callId);
      } catch (error) {
        this.#log.warn('call.hangup_failed', { attempt, error });
        await delay(BACKOFF_MIN_MS * 2 ** attempt, undefined, { ref: false });
      }
    }
  }
}
