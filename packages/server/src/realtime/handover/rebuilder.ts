import { type HoldfastError, newId, toHoldfastError } from '../../kernel/index.ts';
import type { NewEvent } from '../../platform/log/index.ts';
import { isObject, type Json } from '../preview/session.ts';
import { type Relay, type RelayPeer, SERVICE_RESTART, type SideEnd } from '../relay/index.ts';
import { judgeEnd } from '../session.ts';
import { typeOf } from '../session-type.ts';
import { Conversation, type ConversationRecord } from './conversation.ts';
import { type Replayed, type ReplayOptions, replay } from './replay.ts';
import { Unanswered } from './unanswered.ts';

/**
 * Keeps a client's connection through the loss of its upstream, and through the provider's limit on
 * the time of a session: another upstream is opened, told the conversation, and put in place. What
 * was under way is reported to the client as cancelled, and asked for once more where nobody else
 * will. Ahead of the limit the same is done while the old upstream still answers, in a pause.
 *
 *   watching ──upstream ends──▶ rebuilding ──taken──▶ watching
 *       │                           └── refused, late, too often ──▶ failed: the relay is closed
 *       └──`BEFORE_LIMIT_MS` before the provider's limit, in a pause──▶ replacing ──▶ watching
 */
export interface RebuilderDeps extends Omit<ReplayOptions, 'conversation' | 'signal'> {
  readonly relay: () => Relay;
  /** Opens another upstream. */
  readonly dial: (signal: AbortSignal) => Promise<RelayPeer>;
  /** Each event that the client gets or that tells of the new upstream, for the tap. */
  readonly tell: (event: string) => void;
  /** Shows the client an event of the provider's shape. */
  readonly show: (event: string) => void;
  readonly renew: () => void;
  readonly record: (event: NewEvent) => void;
  /** The provider announced the end of its session's time. */
  readonly isExpired: () => boolean;
  /** No upstream could be put in place. */
  readonly onFailed: (error: HoldfastError, end: SideEnd) => void;
}

const REBUILD_TIMEOUT_MS = 30_000;
/** An upstream that is lost so often is not there any more. */
const REBUILDS_MAX = 5;
const REBUILDS_WITHIN_MS = 60_000;
const ATTEMPTS = 3;
const BEFORE_LIMIT_MS = 60_000;
/** A session that has less left when it begins is not replaced ahead of its limit. */
const LEFT_MIN_MS = 1_000;
const PAUSE_LOOK_MS = 500;
/** After so many the provider's limit is left to come. */
const FAILURES_MAX = 6;
/** The longest time a timer can wait. */
const FOREVER_MS = 2 ** 31 - 1;

type ReplacementReason = SideEnd['cause'] | 'expired' | 'limit' | 'drain';

/** What another process needs to go on with an upstream of its own. */
export interface UpstreamRecord {
  readonly conversation: ConversationRecord;
  /** What the client had sent and nobody has answered, as messages. */
  readonly first: readonly string[];
  readonly lostInput: number;
}

export interface TakenUp {
  readonly peer: RelayPeer;
  /** Tells log and client of it, once the relay runs. */
  readonly report: () => void;
}

export class Rebuilder {
  readonly #deps: RebuilderDeps;
  readonly #conversation = new Conversation();
  readonly #unanswered = new Unanswered();
  readonly #stopped = new AbortController();
  readonly #rebuiltAtMs: number[] = [];
  #limit: NodeJS.Timeout | undefined;
  #isRebuilding = false;
  /** What the coming upstream is to be asked for in the place of what was cut. */
  #requests: string[] = [];
  /** Of the upstream: a replacement that was begun for an earlier one is dropped. */
  #generation = 0;
  #failures = 0;

  constructor(deps: RebuilderDeps) {
    this.#deps = deps;
  }

  /** As the provider reports it; undefined before its first word. */
  get configuration(): Json | undefined {
    return this.#conversation.config;
  }

  /** An event of the upstream's, as it has been passed on. */
  server(event: Json, isCut = false): void {
    this.#conversation.server(event, isCut);
    const audio = this.#unanswered.server(event);
    if (audio !== undefined) this.#conversation.said(String(event.item_id), audio);
  }

  words(text: string): void {
    this.#conversation.delta(text);
  }

  client(text: string, isCut: boolean): void {
    this.#unanswered.event(text, isCut);
  }

  audio(payload: Buffer | null, mask: number): void {
    if (!this.#stopped.signal.aborted) this.#unanswered.audio(payload, mask);
  }

  /** The provider's limit on the upstream's time, if it reports one. */
  limitedTo(expiresAtS: number | null): void {
    clearTimeout(this.#limit);
    if (expiresAtS === null || !this.#isReplaceable) return;
    const leftMs = expiresAtS * 1000 - Date.now();
    // A clock may be wrong, and a limit too near to be avoided.
    if (leftMs < LEFT_MIN_MS) return;
    const lookMs = leftMs - Math.min(BEFORE_LIMIT_MS, leftMs / 2);
    this.#limit = setTimeout(() => this.#replaceInPause(), Math.min(lookMs, FOREVER_MS));
    this.#limit.unref();
  }

  stop(): void {
    clearTimeout(this.#limit);
    this.#stopped.abort();
  }

  /** Of a translation nothing tells what of its audio has been translated. */
  get #isReplaceable(): boolean {
    return typeOf(this.#deps.config) !== 'translation';
  }

  /** Whether another upstream will come; it is on its way then. */
  mayReplace(end: SideEnd): boolean {
    if (this.#stopped.signal.aborted || this.#conversation.config === undefined) return false;
    if (end.cause === 'violation' || this.#isRebuilding || !this.#isReplaceable) return false;
    const { type } = judgeEnd({
      initiator: 'upstream',
      cause: end.cause,
      clientCode: end.code,
      upstreamCode: end.code,
      reason: end.reason,
      upstreamExpired: this.#deps.isExpired(),
    });
    if (type !== 'lose' && type !== 'expire') return false;
    const nowMs = performance.now();
    const recent = this.#rebuiltAtMs.filter(atMs => atMs > nowMs - REBUILDS_WITHIN_MS);
    if (recent.length >= REBUILDS_MAX) return false;
    this.#rebuiltAtMs.splice(0, Infinity, ...recent, nowMs);
    void this.#rebuild(end, type === 'expire' ? 'expired' : end.cause);
    return true;
  }

  async #rebuild(end: SideEnd, reason: ReplacementReason): Promise<void> {
    const startedMs = performance.now();
    this.#isRebuilding = true;
    clearTimeout(this.#limit);
    this.#generation += 1;
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(REBUILD_TIMEOUT_MS)]);
    try {
      this.#requests = this.#end();
      const { peer, replayed } = await this.#persist(signal);
      const requests = this.#requests;
      const first = [...this.#unanswered.texts(), ...requests];
      this.#requests = [];
      // The new one may have ended already.
      this.#isRebuilding = false;
      if (!this.#deps.relay().replaceUpstream(peer, first)) peer.socket.destroy();
      else
        this.#report(replayed, {
          reason,
          code: end.code,
          startedMs,
          continued: requests.length > 0,
        });
    } catch (error) {
      this.#deps.onFailed(toHoldfastError(error), end);
    } finally {
      this.#isRebuilding = false;
    }
  }

  /** What was under way ends with its upstream; answers the request that goes on with it. */
  #end(): string[] {
    const asks = this.#conversation.needsResponse && !this.#unanswered.asksForResponse;
    const request = requestLike(this.#conversation.open[0]);
    this.#cancelOpen();
    this.#unanswered.forgetSpeech();
    return asks ? [request] : [];
  }

  /** Whether another process could go on with it. */
  get isMovable(): boolean {
    return this.#isReplaceable && this.#conversation.config !== undefined;
  }

  /** Nothing is under way, so that the session may be moved unnoticed. */
  get isQuiet(): boolean {
    return this.#conversation.isQuiet && !this.#unanswered.asksForResponse;
  }

  /** Ends what is under way, for another process to go on. */
  record(): UpstreamRecord {
    this.stop();
    const requests = [...this.#requests, ...this.#end()];
    const first = [...this.#unanswered.texts(), ...requests];
    return { conversation: this.#conversation.record(), first, lostInput: this.#unanswered.lost };
  }

  /** Opens an upstream that goes on for the one of another process. */
  async takeUp(record: UpstreamRecord, signal: AbortSignal): Promise<TakenUp> {
    const startedMs = performance.now();
    this.#conversation.restore(record.conversation);
    this.#unanswered.lost = record.lostInput;
    const { peer, replayed } = await this.#open(signal);
    this.#unanswered.restore(record.first);
    const continued = record.first.some(text => text.includes('response.create'));
    const facts = { reason: 'drain', code: SERVICE_RESTART, startedMs, continued } as const;
    return { peer, report: () => this.#report(replayed, facts) };
  }

  /** The client hears of what it waits for, and nothing is billed twice. */
  #cancelOpen(): void {
    const { open } = this.#conversation;
    this.#conversation.cut();
    for (const response of open) {
      const event = JSON.stringify({
        type: 'response.done',
        event_id: newId('evt'),
        response: {
          ...response,
          status: 'cancelled',
          status_details: { type: 'cancelled', reason: 'upstream_lost' },
        },
      });
      this.#deps.tell(event);
      this.#deps.show(event);
    }
  }

  async #persist(signal: AbortSignal) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#open(signal);
      } catch (error) {
        const { code } = toHoldfastError(error);
        if (signal.aborted || attempt === ATTEMPTS || code === 'invalid_request') throw error;
      }
    }
  }

  async #open(signal: AbortSignal): Promise<{ peer: RelayPeer; replayed: Replayed }> {
    const peer = await this.#deps.dial(signal);
    const conversation = this.#conversation;
    return { peer, replayed: await replay(peer, { ...this.#deps, conversation, signal }) };
  }

  #report(
    { opening, items, leftOut }: Replayed,
    facts: { reason: ReplacementReason; code: number; startedMs: number; continued: boolean },
  ): void {
    const { tell, renew, record, relay } = this.#deps;
    const lostInput = this.#unanswered.lost;
    this.#unanswered.lost = 0;
    renew();
    for (const text of opening) tell(text);
    const data = {
      reason: facts.reason,
      close_code: facts.code,
      items,
      left_out: leftOut,
      lost_input: lostInput,
      continued: facts.continued,
      duration_ms: Math.round(performance.now() - facts.startedMs),
    };
    record({ type: 'session.upstream_replaced', data });
    const type = 'holdfast.session.upstream_replaced';
    relay().inject(JSON.stringify({ type, event_id: newId('evt'), ...data }));
  }

  /** Before the provider ends its session: while the old one answers, and says nothing. */
  async #replaceInPause(): Promise<void> {
    const { signal } = this.#stopped;
    const startedMs = performance.now();
    const relay = this.#deps.relay();
    const { isQuiet, version } = this.#conversation;
    if (signal.aborted || relay.closing || this.#isRebuilding) return;
    const generation = this.#generation;
    if (isQuiet && relay.replaceable && !this.#unanswered.asksForResponse) {
      const isDone = await this.#replace(version, startedMs).catch(() => {
        this.#failures += 1;
        return false;
      });
      if (isDone) this.#failures = 0;
      if (isDone || this.#failures > FAILURES_MAX) return;
    }
    if (signal.aborted || generation !== this.#generation) return;
    clearTimeout(this.#limit);
    const waitMs = PAUSE_LOOK_MS * 2 ** this.#failures;
    this.#limit = setTimeout(() => this.#replaceInPause(), waitMs);
    this.#limit.unref();
  }

  async #replace(version: number, startedMs: number): Promise<boolean> {
    const { signal } = this.#stopped;
    const generation = this.#generation;
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(REBUILD_TIMEOUT_MS)]);
    const { peer, replayed } = await this.#open(bounded);
    const relay = this.#deps.relay();
    const { isQuiet, version: now } = this.#conversation;
    const isStill = isQuiet && now === version && !this.#unanswered.asksForResponse;
    const isUsed =
      isStill &&
      relay.replaceable &&
      generation === this.#generation &&
      relay.replaceUpstream(peer, this.#unanswered.texts());
    if (!isUsed) {
      peer.socket.destroy();
      return false;
    }
    this.#report(replayed, { reason: 'limit', code: 1000, startedMs, continued: false });
    return true;
  }
}

/** Asks for a response like the one that was cut; what it does not report is the session's. */
function requestLike(cut: Json | undefined): string {
  const { metadata, output_modalities } = cut ?? {};
  const response = {
    ...(isObject(metadata) && { metadata }),
    ...(Array.isArray(output_modalities) && { output_modalities }),
  };
  return JSON.stringify({ type: 'response.create', response });
}
