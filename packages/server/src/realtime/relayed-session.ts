import { HoldfastError, newId, toHoldfastError } from '../kernel/index.ts';
import type { Upstream } from '../models/index.ts';
import type { Lease } from '../platform/leases/index.ts';
import { type Logger, type Trace, traceLog } from '../platform/telemetry/index.ts';
import { ClientLine, isForOnce } from './client-line.ts';
import { configureUpstream } from './configure-upstream.ts';
import type { SocketDeps } from './deps.ts';
import { closeCodeOf, eventOf, failureFields } from './errors.ts';
import { letGo } from './handover/let-go.ts';
import { Rebuilder, type TakenUp } from './handover/rebuilder.ts';
import { type HandoverRecord, putRecord } from './handover/record.ts';
import { createLeasedSession, type LeasedSession } from './leased-session.ts';
import { lockFilter } from './locked-config.ts';
import type { PassedOn } from './passed-on.ts';
import type { Json } from './preview/session.ts';
import { eitherHooks, previewHooks } from './preview/translate.ts';
import type { MoveOptions, RegisteredSession, StopReason } from './registry.ts';
import {
  errorEvent,
  type GoingOn,
  Relay,
  type RelayGuard,
  type RelayOutcome,
  type RelayPeer,
  rejectSession,
  SERVICE_RESTART,
  type SideEnd,
} from './relay/index.ts';
import { judgeEnd, type SessionInput } from './session.ts';
import { typeOf } from './session-type.ts';
import type { Protocol, SessionRow } from './tables.ts';
import { type Connection, connectSession } from './transitions.ts';
import { dial, reportAgain } from './upstream.ts';

/**
 * One session over a WebSocket, from the accepted handshake to the released lease.
 *
 *   dialling ──upstream open, configured──▶ relaying ──closed──▶ releasing ──▶ done
 *       └── refused, unreachable, late, stopped ──▶ error event, close ──▶ releasing
 *
 * Order on the wire to the client: the provider's `session.created`, then our `holdfast.session`,
 * then everything else. A configuration of ours goes upstream before anything of the client is read
 * and must be taken first (`configure-upstream.ts`): what the client sets afterwards wins unless it
 * is locked, and a session whose configuration is refused ends with the provider's own error.
 */
export interface RelayedSessionOptions {
  /** The client's socket, its handshake answered; ours from here on. */
  readonly client: RelayPeer;
  readonly requestId: string;
  /** The session's span; ended here. */
  readonly trace: Trace;
  readonly passedOn: PassedOn;
  readonly lease: Lease;
  readonly row: SessionRow;
  readonly upstream: Upstream;
  readonly model: string;
  readonly protocol: Protocol;
  /** The client wants to know how many of its messages were taken. */
  readonly acknowledges: boolean;
  /** As in `SocketRequest`. */
  readonly orPreview: boolean;
  readonly config: Json;
  readonly locked: readonly string[];
  /** Of the user, as the provider is told. */
  readonly safetyIdentifier?: string | undefined;
  /** The session goes on from another process. */
  readonly left?: Left;
}

/** What another process has left, and how many messages the client has had, if it knows. */
export interface Left {
  readonly record: HandoverRecord;
  readonly received: number | null;
  readonly since: Date | null;
}

type Ending = Exclude<SessionInput, { type: 'connect' }>;

/** `unreturned`: its client has lost its line and did not come back. */
type Stop = StopReason | 'unreturned';

/** What each way of being stopped means for the client and for the session. */
const STOPS: Readonly<Record<Stop, { code: number; ending: Ending }>> = {
  end: { code: 1000, ending: { type: 'end', reason: 'end_requested' } },
  erase: { code: 1000, ending: { type: 'end', reason: 'deleted' } },
  expired: { code: 1001, ending: { type: 'expire', reason: 'session_expired' } },
  drain: { code: SERVICE_RESTART, ending: { type: 'lose', reason: 'drain' } },
  revoked: { code: 1008, ending: { type: 'end', reason: 'access_revoked' } },
  lost: { code: SERVICE_RESTART, ending: { type: 'lose', reason: 'replica_lost' } },
  unreturned: { code: 1001, ending: { type: 'expire', reason: 'window_over' } },
  budget: { code: 1008, ending: { type: 'end', reason: 'budget_exceeded' } },
};

/** What the client hears before it is closed for a reason of its own. */
const FAREWELLS: Readonly<Partial<Record<Stop, { code: string; message: string }>>> = {
  expired: {
    code: 'session_expired',
    message: 'The session has reached its maximum duration.',
  },
  revoked: {
    code: 'access_revoked',
    message: 'The key or the sign-in that opened this session has ended.',
  },
};

/** Events after which it matters most whether the client has had them. */
const PROVEN_SOON: ReadonlySet<string> = new Set([
  'response.function_call_arguments.done',
  'response.output_item.done',
  'response.done',
]);

export class RelayedSession implements RegisteredSession {
  readonly transport = 'websocket';
  readonly leased: LeasedSession;
  readonly line: ClientLine;
  readonly done: Promise<void>;
  readonly #deps: SocketDeps;
  readonly #options: RelayedSessionOptions;
  readonly #log: Logger;
  readonly #dialling = new AbortController();
  #stopped: Stop | undefined;
  /** What the client's events wait for. */
  #holds = 0;
  #relay: Relay | undefined;
  /** The upstream's answer to our configuration, which the client does not get. */
  #updated: string | null = null;
  readonly #rebuilder: Rebuilder;
  /** The end of the upstream that nothing could replace. */
  #unreplaced: SideEnd | undefined;
  #isIntroduced = false;
  #taken: TakenUp | undefined;
  /** Ends the waiting for a pause in which it may be moved, and for its turn. */
  readonly #hurry = new AbortController();
  readonly #now = new AbortController();
  #isMoving = false;
  readonly #moved = Promise.withResolvers<HandoverRecord>();
  readonly #hooks: Pick<RelayGuard, 'rewriteClientMessage' | 'rewriteServerMessage'>;
  /** Messages that were too long to be read whole, of each side. */
  #cut = { client: 0, upstream: 0 };
  #isCut = false;

  constructor(deps: SocketDeps, options: RelayedSessionOptions) {
    this.#deps = deps;
    this.#options = options;
    const { lease, row, model, protocol, requestId, trace } = options;
    const facts = { session_id: lease.subject, request_id: requestId, model, protocol };
    const log = deps.telemetry.log.child({ ...facts, trace_id: trace.traceId });
    this.#log = traceLog(log, trace);
    this.leased = createLeasedSession(deps, {
      lease,
      trace,
      row,
      onOverBudget: error => {
        this.#relay?.inject(eventOf(error));
        this.stop('budget');
      },
      onReserving: reserving => {
        this.#holds += 1;
        this.#relay?.hold();
        void reserving.then(() => {
          this.#holds -= 1;
          if (this.#holds === 0) this.#relay?.resume();
        });
      },
      onLost: loss => this.stop(loss === 'erased' ? 'erase' : 'lost'),
      onCreated: ({ expiresAtS }) => {
        this.#rebuilder.limitedTo(expiresAtS);
        if (!this.#isIntroduced) this.#introduce();
      },
      onEvent: event => {
        this.#rebuilder.server(event, this.#isCut);
        if (PROVEN_SOON.has(String(event.type))) this.#relay?.acknowledgeNow();
      },
      onWords: text => this.#rebuilder.words(text),
    });
    this.#hooks = this.#translation();
    this.#rebuilder = this.#createRebuilder();
    this.line = this.#createLine();
    if (options.left) this.line.restore(options.left.record.client.handles);
    this.done = this.#run().finally(() => {
      this.#rebuilder.stop();
      this.line.stop();
      trace.end();
    });
  }

  #createLine(): ClientLine {
    const { row, protocol, trace, acknowledges } = this.#options;
    return new ClientLine({
      acknowledges,
      deps: this.#deps,
      leased: this.leased,
      row,
      protocol,
      trace,
      log: this.#log,
      relay: () => this.#relay,
      config: () => (this.#isIntroduced ? this.#rebuilder.configuration : undefined),
      shown: event => this.#hooks.rewriteServerMessage?.(event) ?? [event],
      onOver: () => this.stop('unreturned'),
      onGone: () => this.stop('end'),
    });
  }

  #createRebuilder(): Rebuilder {
    const { tap, journal } = this.leased;
    const { config, locked } = this.#options;
    const { knownEvents: known, configurationTimeoutMs: timeoutMs } = this.#deps;
    return new Rebuilder({
      config,
      locked,
      known,
      timeoutMs,
      relay: () => this.#relay!,
      dial: signal => this.#open(signal),
      tell: event => tap.server(event),
      show: event => {
        const shown = this.#hooks.rewriteServerMessage?.(event) ?? [event];
        for (const text of shown) this.#relay?.inject(text);
      },
      renew: () => tap.renew(),
      record: event => journal.push(event),
      isExpired: () => tap.upstreamExpired,
      onFailed: (error, end) => {
        if (this.#relay?.closing !== false) return;
        this.#log.error('upstream.not_replaced', failureFields(error));
        this.#deps.metrics.upstreamErrors.add(1, { reason: error.code });
        this.#unreplaced = end;
        this.#relay?.inject(eventOf(error));
        this.#relay?.close(1011, error.code);
      },
    });
  }

  idleMs(): number {
    const counters = this.#relay?.counters;
    return counters ? Math.max(0, this.#deps.ticker.nowMs - counters.lastActivityMs) : 0;
  }

  stop(reason: Stop): void {
    // A drain hurries what closes already.
    if (this.#stopped !== undefined && reason !== 'drain') return;
    this.#stopped ??= reason;
    this.#dialling.abort();
    this.#rebuilder.stop();
    this.line.stop();
    const farewell = FAREWELLS[reason];
    if (farewell) this.#relay?.inject(errorEvent({ type: 'invalid_request_error', ...farewell }));
    this.#relay?.close(STOPS[reason].code, farewell?.code ?? reason);
  }

  moveOut(options: MoveOptions): void {
    const { hurry, isNow = false } = options;
    if (hurry.aborted) this.#hurry.abort();
    else hurry.addEventListener('abort', () => this.#hurry.abort(), { once: true });
    if (isNow) this.#now.abort();
    if (this.#isMoving) return;
    this.#isMoving = true;
    const relay = this.#relay;
    const isMovable = this.#deps.reconnectWindowMs > 0 && this.#rebuilder.isMovable;
    if (relay === undefined || !isMovable) {
      const stop = () => this.stop('drain');
      if (isNow) stop();
      else this.#now.signal.addEventListener('abort', stop, { once: true });
      return;
    }
    void this.#letGo(relay, options);
  }

  async #letGo(relay: Relay, options: MoveOptions): Promise<void> {
    const { config, locked, orPreview, acknowledges, safetyIdentifier } = this.#options;
    const record = await letGo({
      ...options,
      relay,
      rebuilder: this.#rebuilder,
      hurry: this.#hurry.signal,
      now: this.#now.signal,
      turn: () => options.turn(this.done),
      handles: () => this.line.handles,
      session: { config, locked: [...locked], orPreview, acknowledges, safetyIdentifier },
    });
    if (record !== null) this.#moved.resolve(record);
    this.stop('drain');
  }

  async #run(): Promise<void> {
    const { client } = this.#options;
    const gone = () => this.#dialling.abort();
    client.socket.once('close', gone);
    this.#log.info('client.connected');
    try {
      const upstream = this.#options.left
        ? await this.#takeUp(this.#options.left)
        : await this.#dial();
      await this.#relayBetween(client, upstream);
    } catch (thrown) {
      await this.#refuse(client, toHoldfastError(thrown));
    } finally {
      client.socket.off('close', gone);
    }
  }

  async #open(signal: AbortSignal): Promise<RelayPeer> {
    const startedMs = performance.now();
    const { upstream, requestId, config, passedOn } = this.#options;
    const { peer, upstreamRequestId } = await dial({
      upstream,
      target: typeOf(config),
      requestId,
      passedOn,
      timeoutMs: this.#deps.dialTimeoutMs,
      signal,
      onAgain: again => reportAgain(this.#deps, this.#log, again),
    });
    this.#log.info('upstream.connected', {
      upstream_request_id: upstreamRequestId,
      duration_ms: Math.round(performance.now() - startedMs),
    });
    return peer;
  }

  async #dial(): Promise<RelayPeer> {
    const peer = await this.#open(this.#dialling.signal);
    await this.#configure(peer);
    return await this.#connect(peer);
  }

  async #takeUp({ record, since }: Left): Promise<RelayPeer> {
    this.#isIntroduced = true;
    this.#taken = await this.#rebuilder.takeUp(record.upstream, this.#dialling.signal);
    return await this.#connect(this.#taken.peer, { reason: 'drain', since });
  }

  async #connect(peer: RelayPeer, gap?: Connection['gap']): Promise<RelayPeer> {
    const { lease, protocol, trace } = this.#options;
    const connected = await connectSession(this.#deps, {
      lease,
      transport: this.transport,
      protocol,
      traceId: trace.traceId,
      handles: this.line.handles,
      ...(gap && { gap }),
    }).catch((error: unknown) => {
      peer.socket.destroy();
      throw error;
    });
    if (connected) await this.#forgetLeft();
    if (connected && this.#stopped === undefined) return peer;
    peer.socket.destroy();
    this.#stopped ??= 'end';
    throw new HoldfastError('gone', 'The session was ended.');
  }

  /** What was left has been taken; the row does not name it any more. */
  async #forgetLeft(): Promise<void> {
    const key = this.#options.row.handover_key;
    if (this.#options.left === undefined || key === null) return;
    await this.#deps.blobs.delete(key).catch((error: unknown) => {
      this.#log.warn('session.handover_kept', { error });
    });
  }

  async #configure(peer: RelayPeer): Promise<void> {
    const { config, locked } = this.#options;
    const { updated } = await configureUpstream(peer, {
      config,
      locked,
      eventId: newId('evt'),
      timeoutMs: this.#deps.configurationTimeoutMs,
      signal: this.#dialling.signal,
      onRefused: event => this.leased.tap.server(event),
    });
    this.#updated = updated;
  }

  async #relayBetween(client: RelayPeer, upstream: RelayPeer): Promise<void> {
    const { tap } = this.leased;
    const { config, locked } = this.#options;
    const { ticker, relayLimits, knownEvents, keptIn, reconnectWindowMs } = this.#deps;
    const filter = lockFilter({ config, locked }, knownEvents);
    const relay = new Relay({
      client,
      upstream,
      ticker,
      guard: {
        ...(filter && { filterClientMessage: filter }),
        ...this.#hooks,
      },
      ...(relayLimits && { limits: relayLimits }),
      onServerEvent: text => {
        this.#isCut = this.#wasCut('upstream', relay.counters.upstreamToClient.skimmedMessages);
        tap.server(text);
        this.#isCut = false;
      },
      onClientEvent: text => {
        tap.client(text);
        const { skimmedMessages } = relay.counters.clientToUpstream;
        this.#rebuilder.client(text, this.#wasCut('client', skimmedMessages));
      },
      onClientAudio: (payload, mask) => this.#rebuilder.audio(payload, mask),
      mayReplace: end => this.#rebuilder.mayReplace(end),
      ...(reconnectWindowMs > 0 && {
        keptIn,
        mayAwait: end => this.line.mayAwait(end),
        onAcknowledged: () => this.line.acknowledged(),
        onFull: () => this.#cancelUnheard(),
        isOnce: isForOnce,
        ...(this.#options.left && { goesOn: this.#goingOn(this.#options.left) }),
      }),
      // What is cancelled reports what it has used, which counts in full otherwise.
      lastWords: () => this.#cancellations(),
      upstreamFailureEvent: () =>
        eventOf(new HoldfastError('upstream_error', 'The connection to the model was lost.')),
    });
    this.#relay = relay;
    this.#deps.traffic.add(relay.counters);
    relay.start();
    if (this.#updated !== null) tap.server(this.#updated);
    this.#taken?.report();
    this.#log.info('bridge.started');
    const moved = this.#moved.promise;
    const left = await Promise.race([moved, relay.closed.then(() => undefined)]);
    const handoverKey = left && (await this.#leave(left));
    const outcome = await relay.decided;
    this.#deps.traffic.settle(relay.counters);
    this.#report(outcome);
    const ending = this.#endingOf(outcome);
    const code = outcome.initiator === 'upstream' ? outcome.upstreamCode : outcome.clientCode;
    // Any other reason is a word of ours.
    const { cause, reason } = this.#unreplaced ?? outcome;
    const text = cause === 'close' ? reason : '';
    await this.line.written();
    await this.leased.release(ending, { code, text }, handoverKey);
    const { clientToUpstream, upstreamToClient } = relay.counters;
    this.#log.info('bridge.completed', {
      client_bytes: clientToUpstream.bytes,
      client_messages: clientToUpstream.messages,
      upstream_bytes: upstreamToClient.bytes,
      upstream_messages: upstreamToClient.messages,
    });
  }

  #goingOn({ record, received }: Left): GoingOn {
    const { input, frames, ...output } = record.client;
    const kept = frames.map(frame => Buffer.from(frame, 'base64'));
    return {
      from: { input, output: { ...output, frames: kept } },
      received,
      introduce: resumption => this.line.welcome(resumption),
      first: record.upstream.first,
    };
  }

  /** For the process that goes on; undefined where that fails, and the session ends. */
  async #leave(left: HandoverRecord): Promise<string | undefined> {
    const { lease } = this.#options;
    const of = { sessionId: lease.subject, fence: lease.fence };
    try {
      return await putRecord(this.#deps, of, left);
    } catch (error) {
      this.#log.error('session.not_handed_over', { error });
      return undefined;
    }
  }

  #cancellations(): string[] {
    const { open } = this.leased.tap.meter;
    return open.map(response_id => JSON.stringify({ type: 'response.cancel', response_id }));
  }

  /** A client that is away gets no more than can be kept for it. */
  #cancelUnheard(): void {
    const cancellations = this.#cancellations();
    for (const event of cancellations) this.#relay?.injectUpstream(event);
    this.#log.warn('client.output_full', { cancelled: cancellations.length });
  }

  #wasCut(side: 'client' | 'upstream', count: number): boolean {
    const isCut = count > this.#cut[side];
    this.#cut[side] = count;
    return isCut;
  }

  #endingOf(outcome: RelayOutcome): Ending {
    const { upstreamExpired } = this.leased.tap;
    const lost = this.#unreplaced;
    if (lost !== undefined) {
      const { cause, code: upstreamCode, reason } = lost;
      const end = { cause, upstreamCode, clientCode: outcome.clientCode, reason, upstreamExpired };
      return judgeEnd({ ...end, initiator: 'upstream' });
    }
    if (outcome.initiator === 'server') return STOPS[this.#stopped ?? 'end'].ending;
    return judgeEnd({ ...outcome, upstreamExpired });
  }

  #translation(): Pick<RelayGuard, 'rewriteClientMessage' | 'rewriteServerMessage'> {
    const { protocol, orPreview } = this.#options;
    const tell = (event: string) => void this.#relay?.inject(event);
    if (protocol === 'preview') return previewHooks(tell);
    return orPreview ? eitherHooks(tell) : {};
  }

  #report(outcome: RelayOutcome): void {
    const { initiator, cause } = outcome;
    this.#log.info('client.disconnected', {
      by: initiator,
      cause,
      close_code: outcome.clientCode,
      upstream_close_code: outcome.upstreamCode,
      // What a client writes there may be what somebody said.
      ...(initiator === 'upstream' && { close_text: outcome.reason }),
    });
    if (initiator === 'upstream' && cause !== 'close') {
      this.#deps.metrics.upstreamErrors.add(1, { reason: `upstream_${cause}` });
      this.#log.warn('bridge.failed', { cause });
    }
  }

  /** Sends `holdfast.session`, right after the provider's `session.created`. */
  #introduce(): void {
    this.#isIntroduced = true;
    this.#relay?.inject(this.line.introduction());
  }

  /** Without an upstream: sends the client an error event, closes, and releases the session. */
  async #refuse(client: RelayPeer, error: HoldfastError): Promise<void> {
    const stopped = this.#stopped;
    const clientGone = client.socket.closed;
    const code = stopped === undefined ? closeCodeOf(error) : STOPS[stopped].code;
    const ending: Ending =
      stopped !== undefined && stopped !== 'drain'
        ? STOPS[stopped].ending
        : {
            type: 'fail',
            reason: clientGone ? 'client_lost' : (stopped ?? error.code),
            upstreamCode: error.upstreamCode,
          };
    if (stopped === undefined && !clientGone) {
      this.#deps.metrics.upstreamErrors.add(1, { reason: error.code });
      this.#log.error('bridge.failed', failureFields(error));
    }
    const events = stopped === undefined ? [eventOf(error)] : [];
    const reason = stopped ?? error.code;
    await rejectSession({ client, events, code, reason });
    this.#log.info('client.disconnected', { by: 'server', close_code: code });
    await this.leased.release(ending, { code });
  }
}
