/**
 * One relayed session: two pumps between a client and an upstream, and the end of it.
 *
 * Both peers come with their handshakes done. Pings are hop by hop: a peer's ping is answered here
 * and its pongs end here, so each side sees a pong however slow the other is. No extension is ever
 * negotiated on either side.
 *
 *     open ──(first of: close frame, loss, violation, silence, stall, close())──▶ closing
 *     closing ──(both sockets closed, or closeTimeoutMs and then destroyed)──▶ closed
 *     open ──(the upstream ends, and `mayReplace` says so)──▶ vacant ──replaceUpstream()──▶ open
 *     open ──(the client's line drops, and `mayAwait` says so)──▶ absent ──attachClient()──▶ open
 *
 * In `vacant` the client is not read, and what it had sent waits; it is told nothing. In `absent`
 * the upstream goes on, and what it says is kept for the client. Both can be at once.
 *
 * The first event decides the outcome; what comes later changes nothing. In `closing` each side is
 * sent its close frame at the next frame boundary (or destroyed, if it is gone or stuck in a frame
 * that its source will not complete), and what still comes is only tapped and searched for its own
 * close.
 *
 * Knows nothing of HTTP routes, identity or storage. Imports nothing from outside this folder.
 */
import { readClose, sendableCloseCode } from './close-codes.ts';
import { type RelayCounters, relayCounters } from './counters.ts';
import { Delivery, type Resumption } from './delivery.ts';
import { encodeText, numberIn } from './frame-encoder.ts';
import { type FrameViolation, OPCODE_CLOSE, OPCODE_PING, OPCODE_PONG } from './frame-scanner.ts';
import { COME_AGAIN, defaultLimits, RESUMED_ELSEWHERE, SERVICE_RESTART } from './limits.ts';
import type {
  GoingOn,
  RelayCause,
  RelayOptions,
  RelayOutcome,
  RelayRecord,
  SideEnd,
} from './options.ts';
import { Outlet } from './outlet.ts';
import { Pace } from './pace.ts';
import type { Pump, PumpEvents } from './pump.ts';
import { clientPump, upstreamPump } from './pumps.ts';
import { upstreamFailedEvent } from './reject.ts';
import { type RelayPeer, Side, type SideEvents } from './side.ts';
import { Slab } from './slab.ts';
import type { Ticking } from './ticker.ts';

/** One slab for all sessions of the process: its use never outlasts one call (`slab.ts`). */
const slab = new Slab();

export class Relay implements Ticking, SideEvents {
  readonly counters: RelayCounters;
  /** Resolves once both sockets are closed. Never rejects. */
  readonly closed: Promise<RelayOutcome>;
  readonly #options: RelayOptions;
  readonly #limits: typeof defaultLimits;
  #client: Side;
  #upstream: Side;
  #clientPump: Pump;
  #upstreamPump: Pump;
  readonly #delivery: Delivery | undefined;
  readonly #pace: Pace;
  /** By `hold`. */
  #held = false;
  /** The upstream has ended, and another one will come. */
  #vacant = false;
  /** The client's line has dropped, and it is awaited. */
  absent = false;
  /** The client is sent away, and heard until it has closed. */
  #dismissal: { readonly resolve: () => void; readonly timer: NodeJS.Timeout } | undefined;
  /** What the client had sent already when it was held. */
  #rest: Buffer | null = null;
  #outcome: RelayOutcome | null = null;
  #deadlineMs = 0;
  #resolveClosed!: (outcome: RelayOutcome) => void;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.counters = relayCounters(options.ticker.nowMs);
    this.#pace = new Pace(this.#limits, options.ticker.nowMs);
    this.closed = new Promise(resolve => {
      this.#resolveClosed = resolve;
    });
    const { keptIn, onFull, isOnce } = options;
    const { maxKeptBytes } = this.#limits;
    const outlet = () => this.#client.outlet;
    this.#delivery = keptIn && new Delivery({ keptIn, maxKeptBytes, outlet, onFull, isOnce });
    this.#client = this.#side('client', options.client);
    this.#upstream = this.#side('upstream', options.upstream);
    this.#clientPump = this.#pumpFromClient();
    this.#upstreamPump = this.#pumpFrom(this.#upstream);
  }

  #pumpParts() {
    return { guard: this.#options.guard ?? {}, limits: this.#limits, counters: this.counters };
  }

  #pumpFromClient(): Pump {
    const { onClientEvent, onClientAudio } = this.#options;
    return clientPump({
      ...this.#pumpParts(),
      outlet: this.#upstream.outlet,
      events: this.#pumpEvents(this.#client, onClientEvent),
      wantsText: onClientEvent !== undefined,
      wantsAudio: onClientAudio !== undefined,
    });
  }

  #pumpFrom(upstream: Side): Pump {
    const { onServerEvent } = this.#options;
    return upstreamPump({
      ...this.#pumpParts(),
      outlet: this.#client.outlet,
      events: this.#pumpEvents(upstream, onServerEvent),
      wantsText: onServerEvent !== undefined,
      wantsAudio: false,
    });
  }

  /** Starts pumping. Own events injected before this stand before everything forwarded. */
  start(): void {
    const { nowMs } = this.#options.ticker;
    this.#options.ticker.add(this);
    const { goesOn } = this.#options;
    if (goesOn !== undefined) this.#goOn(goesOn);
    this.#upstream.start(this, nowMs);
    this.#client.start(this, nowMs);
  }

  #goOn({ from, received, introduce, first }: GoingOn): void {
    this.counters.clientToUpstream.messages = from.input;
    this.#delivery!.restore(from.output);
    this.#client.outlet.reattach(this.#client.socket, this.#welcome(received, introduce));
    for (const text of first) this.#upstream.outlet.write(encodeText(text, true));
    this.acknowledgeNow();
  }

  /**
   * Sends an own event to the client at the next message boundary. False if it was dropped: the
   * session is closing, or `maxInjectBytes` wait already.
   */
  inject(text: string): boolean {
    return this.#count(this.#client.outlet.inject(text));
  }

  /** The same towards the upstream. */
  injectUpstream(text: string): boolean {
    return this.#count(this.#upstream.outlet.inject(text));
  }

  /** Forwards nothing more from the client until `resume`, not even of what has been read. */
  hold(): void {
    this.#held = true;
    if (this.#outcome === null) this.#client.holdBack();
  }

  resume(): void {
    this.#held = false;
    this.#takeRest();
    this.#letClientOn();
  }

  /**
   * Puts another upstream in the place of the one that has ended, or of the present one, which gets
   * close code 1000. `first` goes to it before anything of the client. False, and the peer is the
   * caller's still, where the relay is closing.
   */
  replaceUpstream(peer: RelayPeer, first: readonly string[]): boolean {
    if (this.#outcome !== null) return false;
    if (!this.#vacant) this.#vacate();
    const { outlet } = this.#upstream;
    outlet.attach(peer.socket);
    for (const text of first) outlet.write(encodeText(text, true));
    this.#upstream = new Side('upstream', peer, outlet);
    this.#upstreamPump = this.#pumpFrom(this.#upstream);
    this.#vacant = false;
    this.#upstream.start(this, this.#options.ticker.nowMs);
    this.#takeRest();
    this.#letClientOn();
    return true;
  }

  /** Whether neither side is inside a message, so that the upstream can be replaced. */
  get replaceable(): boolean {
    return !this.#client.outlet.insideMessage && !this.#upstream.outlet.insideMessage;
  }

  /** Whether a client can be attached at this moment. */
  get attachable(): boolean {
    const waits = (this.#held && this.#rest !== null) || this.#hasHalf;
    return this.#outcome === null && !waits && this.#delivery?.kept.isContinuable === true;
  }

  /** The upstream has half a message of the client's, which nothing else may follow. */
  get #hasHalf(): boolean {
    return this.#upstream.outlet.insideMessage && !this.#vacant;
  }

  /**
   * For another connection of the client: where the present one is inside of a long message, it is
   * left, and another upstream comes, or the session ends.
   */
  makeRoom(): void {
    if (this.#outcome !== null || !this.#hasHalf) return;
    this.leaveClient(RESUMED_ELSEWHERE, ELSEWHERE);
    this.#dropHalf({ cause: 'lost', code: ABNORMAL, reason: '' });
  }

  /** What has come from the present connection of the client. */
  get clientBytes(): number {
    return this.#client.bytesRead;
  }

  /** Messages that the client has been sent, those that wait for it included. */
  get sentMessages(): number {
    return this.#delivery?.kept.messages ?? 0;
  }

  /**
   * Puts another connection of the client in the place of the one that has dropped, or of the
   * present one, which is closed with `RESUMED_ELSEWHERE`. It gets what `introduce` answers, which
   * is not counted, and then what it has not had: after `received` messages, or where that is not
   * known, after what is acknowledged, but for what it must not have twice. While `attachable`.
   */
  attachClient(
    peer: RelayPeer,
    received: number | null,
    introduce: (resumption: Resumption) => readonly string[],
  ): void {
    this.leaveClient(RESUMED_ELSEWHERE, ELSEWHERE);
    const { outlet } = this.#client;
    const first = this.#welcome(received, introduce);
    this.absent = false;
    this.#client = new Side('client', peer, outlet);
    this.#clientPump = this.#pumpFromClient();
    outlet.reattach(peer.socket, first);
    if (this.#isHeld() || this.#pace.spent) this.#client.holdBack();
    this.#client.start(this, this.#options.ticker.nowMs);
    this.acknowledgeNow();
  }

  #welcome(received: number | null, introduce: GoingOn['introduce']): Buffer[] {
    const { frames, ...facts } = this.#delivery!.returned(received);
    const input = this.counters.clientToUpstream.messages;
    return [...introduce({ input, ...facts }).map(text => encodeText(text, false)), ...frames];
  }

  /**
   * Closes the client's connection, and goes on hearing it until it has closed as well, which
   * proves what it has had. Resolves once it is absent, within `restartCloseTimeoutMs`.
   */
  async dismissClient(code: number, reason: string): Promise<void> {
    if (this.#outcome !== null || this.absent) return;
    if (this.#client.outlet.insideFrame) {
      this.leaveClient(code, reason);
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#dismissed(), this.#limits.restartCloseTimeoutMs);
    this.#dismissal = { resolve, timer };
    this.#turnAway(code, reason);
    await promise;
  }

  #dismissed(): void {
    if (this.#dismissal === undefined) return;
    const { resolve, timer } = this.#dismissal;
    this.#dismissal = undefined;
    clearTimeout(timer);
    this.#partFrom(this.#client);
    resolve();
  }

  /** For a relay in another process, once the client is absent; this one is to be closed now. */
  record(): RelayRecord {
    const input = this.counters.clientToUpstream.messages;
    return { input, output: this.#delivery!.record() };
  }

  /** Asks the client now how far it has got. */
  acknowledgeNow(): void {
    this.#delivery?.ask();
  }

  /** Pings the client, for something to come from it if it is there. */
  probeClient(): void {
    this.#client.outlet.ping();
  }

  /** The client is absent from now on; nothing more is heard from its connection. */
  leaveClient(code: number, reason: string): void {
    if (this.#outcome !== null || this.absent) return;
    this.#turnAway(code, reason);
    this.#partFrom(this.#client);
  }

  #turnAway(code: number, reason: string): void {
    const { outlet } = this.#client;
    this.absent = true;
    this.#delivery!.left();
    if (!outlet.insideFrame) outlet.close(code, reason);
    outlet.detach();
    this.#upstream.forgetReader();
    if (!this.#upstream.heldBack) this.#upstream.socket.resume();
  }

  #partFrom(client: Side): void {
    client.gone = true;
    // A coming upstream gets what nobody has answered.
    this.#takeRest();
    client.socket.end();
    setTimeout(() => client.socket.destroy(), this.#limits.closeTimeoutMs).unref();
  }

  /** Whether the client is heard. */
  get #isHeard(): boolean {
    return !this.absent || this.#dismissal !== undefined;
  }

  #vacate(): void {
    this.#vacant = true;
    if (this.absent && this.#client.outlet.insideMessage) {
      this.#delivery!.kept.cut();
      this.#client.outlet.mark(false, false);
    }
    this.#client.holdBack();
    this.#client.forgetReader();
    const { socket, outlet } = this.#upstream;
    outlet.close(1000, '');
    socket.end();
    setTimeout(() => socket.destroy(), this.#limits.closeTimeoutMs).unref();
  }

  #isHeld(): boolean {
    return this.#held || (this.#vacant && !this.absent);
  }

  #letClientOn(): void {
    if (this.#isHeard && !this.#isHeld() && !this.#pace.spent) this.#client.goOn();
  }

  #takeRest(): void {
    const rest = this.#rest;
    this.#rest = null;
    if (rest !== null) this.#take(rest, false, true);
  }

  #count(sent: boolean): boolean {
    if (sent) this.counters.injectedEvents++;
    else this.counters.droppedEvents++;
    return sent;
  }

  /**
   * Ends the session from our side. The client gets `code`, the upstream 1000 unless given. With
   * `SERVICE_RESTART` closing ends sooner, also where it has begun for another reason.
   */
  close(code: number, reason: string, upstreamCode = 1000): void {
    this.#end({
      initiator: 'server',
      cause: 'server',
      clientCode: sendableCloseCode(code),
      upstreamCode,
      reason,
    });
    if (code !== SERVICE_RESTART) return;
    const deadlineMs = this.#options.ticker.nowMs + this.#limits.restartCloseTimeoutMs;
    this.#deadlineMs = Math.min(this.#deadlineMs, deadlineMs);
  }

  /** How it ends, once that is decided; the sockets may be open still. */
  get decided(): Promise<RelayOutcome> {
    return this.#outcome === null ? this.closed : Promise.resolve(this.#outcome);
  }

  /** Whether the outcome is decided. */
  get closing(): boolean {
    return this.#outcome !== null;
  }

  #side(name: 'client' | 'upstream', peer: RelayPeer): Side {
    const { maxInjectBytes } = this.#limits;
    const masked = name === 'upstream';
    const kept = name === 'client' ? this.#delivery?.kept : undefined;
    const { socket } = peer;
    return new Side(name, peer, new Outlet({ socket, masked, maxInjectBytes, slab, kept }));
  }

  #pumpEvents(side: Side, tap: ((text: string) => void) | undefined): PumpEvents {
    return {
      held: () => side === this.#client && this.#isHeld() && this.#outcome === null,
      control: (opcode, payload) => this.#control(side, opcode, payload),
      violated: violation => this.#violated(side, violation),
      refused: event => this.#count(side.outlet.inject(event)),
      text: text => {
        try {
          tap?.(text);
        } catch {
          this.counters.tapErrors++;
        }
      },
      audio: (payload, mask) => {
        if (side === this.#client) this.#options.onClientAudio?.(payload, mask);
      },
    };
  }

  /** @internal Bytes from one side. */
  chunk(side: Side, chunk: Buffer, borrowed: boolean): void {
    const isUpstream = side === this.#upstream && !this.#vacant;
    const isClient = side === this.#client && this.#isHeard;
    if (isUpstream || isClient) this.#take(chunk, borrowed, isClient);
  }

  #take(chunk: Buffer, borrowed: boolean, fromClient: boolean): void {
    if (fromClient && this.#isHeld() && this.#outcome === null) {
      this.#rest = Buffer.concat([this.#rest ?? EMPTY, chunk]);
      return;
    }
    const used = (fromClient ? this.#clientPump : this.#upstreamPump).chunk(chunk, borrowed);
    if (used < chunk.length) this.#rest = Buffer.from(chunk.subarray(used));
    if (this.#outcome !== null) {
      this.#settle();
      return;
    }
    if (fromClient) this.#paceClient(used);
    else this.#delivery?.moved();
    const [side, reader] = fromClient
      ? [this.#client, this.#upstream]
      : [this.#upstream, this.#client];
    if (reader.backlogBytes >= this.#limits.highWaterBytes && side.pauseFor(reader)) {
      const { clientToUpstream, upstreamToClient } = this.counters;
      (fromClient ? clientToUpstream : upstreamToClient).pauses++;
    }
  }

  #paceClient(bytes: number): void {
    const { clientToUpstream } = this.counters;
    this.#pace.spend(bytes, clientToUpstream.frames);
    if (!this.#pace.spent || this.#client.heldBack) return;
    this.#client.holdBack();
    clientToUpstream.holds++;
  }

  #control(side: Side, opcode: number, payload: Buffer): void {
    if (opcode === OPCODE_PING) side.outlet.pong(payload);
    if (opcode === OPCODE_PONG && side === this.#client) this.#acknowledged(numberIn(payload));
    if (opcode !== OPCODE_CLOSE) return;
    const { code, reason } = readClose(payload, side === this.#client);
    const end = { cause: 'close', code, reason } as const;
    if (side === this.#client && this.#dismissal !== undefined) {
      this.#delivery!.proven();
      this.#dismissed();
      return;
    }
    if (side === this.#upstream ? this.#isReplaced(end) : this.#isAwaited(end)) return;
    side.closeReceived = true;
    const sent = sendableCloseCode(code);
    this.#end({
      initiator: side.name,
      cause: 'close',
      clientCode: sent,
      upstreamCode: sent,
      reason,
    });
  }

  #acknowledged(offset: number | null): void {
    if (offset === null) return;
    this.#delivery?.acknowledged(offset);
    this.#options.onAcknowledged?.();
  }

  #violated(side: Side, violation: FrameViolation): void {
    // Nothing more is expected of this side: its own close frame could not be understood.
    side.closeReceived = true;
    if (side === this.#client && this.#dismissal !== undefined) this.#dismissed();
    else if (side === this.#client)
      this.#clientFailed('violation', violation.closeCode, violation.message);
    else this.#upstreamFailed('violation', violation.closeCode);
  }

  #clientFailed(cause: RelayCause, clientCode: number, reason: string): void {
    this.#end({ initiator: 'client', cause, clientCode, upstreamCode: 1001, reason });
  }

  #upstreamFailed(cause: Exclude<RelayCause, 'server'>, upstreamCode: number): void {
    if (this.#isReplaced({ cause, code: upstreamCode, reason: '' })) return;
    const event = (this.#options.upstreamFailureEvent ?? upstreamFailedEvent)(cause);
    const reason = 'upstream failed';
    this.#end({ initiator: 'upstream', cause, clientCode: 1011, upstreamCode, reason }, event);
  }

  /** Whether the client may come back; the session goes on then. */
  #isAwaited(end: SideEnd): boolean {
    if (this.#outcome !== null || this.absent || this.#delivery === undefined) return false;
    if (this.#options.mayAwait?.(end) !== true) return false;
    if (this.closing) return true;
    this.leaveClient(end.cause === 'close' ? sendableCloseCode(end.code) : COME_AGAIN, end.reason);
    this.#dropHalf(end);
    return true;
  }

  /** Half a message of the client's would stand before what comes next. */
  #dropHalf(end: SideEnd): void {
    if (!this.#hasHalf || this.#isReplaced({ cause: 'lost', code: ABNORMAL, reason: '' })) return;
    this.#clientFailed(end.cause === 'close' ? 'lost' : end.cause, end.code, end.reason);
  }

  #isReplaced(end: SideEnd): boolean {
    if (this.#outcome !== null || !(this.replaceable || this.absent)) return false;
    if (this.#options.mayReplace?.(end) !== true) return false;
    // The session may have been ended meanwhile, by what its upstream's end has cost.
    if (!this.closing) this.#vacate();
    return true;
  }

  /** @internal No more bytes will come from `side`. */
  gone(side: Side): void {
    const isPast = side === this.#upstream ? this.#vacant : side !== this.#client || this.absent;
    if (this.#outcome === null && !isPast) this.#lost(side, 'lost');
    if (side === this.#client) this.#dismissed();
    side.gone = true;
    if (this.#outcome !== null) this.#settle();
  }

  /** A side went away without a close frame, or is as good as gone. */
  #lost(side: Side, cause: 'lost' | 'silent'): void {
    side.gone = true;
    if (side === this.#upstream) this.#upstreamFailed(cause, ABNORMAL);
    else if (!this.#isAwaited({ cause, code: ABNORMAL, reason: '' })) {
      this.#clientFailed(cause, ABNORMAL, `client ${cause}`);
    }
  }

  /** The session ends; the first call decides how. `event` goes to the client before its close. */
  #end(outcome: RelayOutcome, event?: string): void {
    if (this.#outcome !== null) return;
    this.#outcome = outcome;
    this.#dismissed();
    this.#deadlineMs = this.#options.ticker.nowMs + this.#limits.closeTimeoutMs;
    if (event !== undefined) this.#count(this.#client.outlet.inject(event));
    this.#client.sendClose(outcome.clientCode, outcome.reason);
    if (outcome.initiator !== 'upstream') {
      for (const words of this.#options.lastWords?.() ?? []) this.injectUpstream(words);
    }
    this.#upstream.sendClose(outcome.upstreamCode, outcome.reason);
    // Its close frame may be there.
    this.#takeRest();
    this.#options.onClosing?.(outcome);
    this.#settle();
  }

  /** Ends the sockets of sides with which the closing handshake is through. */
  #settle(): void {
    this.#client.settle(this.#upstream.gone);
    this.#upstream.settle(this.#client.gone);
  }

  /** @internal A socket is closed. */
  shut(): void {
    if (this.#outcome === null) return;
    if (!this.#client.isShut || !this.#upstream.isShut) return;
    this.#options.ticker.remove(this);
    this.#delivery?.end();
    this.#resolveClosed(this.#outcome!);
  }

  /** @internal Once per tick. */
  tick(nowMs: number): void {
    if (this.#outcome !== null) {
      if (nowMs < this.#deadlineMs) return;
      this.#client.socket.destroy();
      this.#upstream.socket.destroy();
      return;
    }
    this.#pace.refill(nowMs);
    this.#letClientOn();
    if (!this.absent) this.#check(this.#client, this.#upstream, nowMs);
    const isChecked = this.#outcome === null && !this.#vacant;
    if (isChecked) this.#check(this.#upstream, this.#client, nowMs);
    this.counters.lastActivityMs = Math.max(this.#client.heardAtMs, this.#upstream.heardAtMs);
  }

  #check(side: Side, source: Side, nowMs: number): void {
    const ailment = side.check(nowMs, this.#limits, source.paused);
    if (ailment === 'silent') this.#lost(side, 'silent');
    if (ailment !== 'stalled') return;
    if (side === this.#client) {
      if (this.#isAwaited({ cause: 'stalled', code: 1013, reason: 'reader stalled' })) return;
      this.#clientFailed('stalled', 1013, 'reader stalled');
    } else this.#upstreamFailed('stalled', 1013);
  }
}

const ABNORMAL = 1006;
const ELSEWHERE = 'resumed on another connection';
const EMPTY = Buffer.alloc(0);
