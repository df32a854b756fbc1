/**
 * One WebSocket and the session it carries, or, as a sideband, listens to.
 *
 * Ownership: the connection of a WebSocket session owns it, so both end together; a sideband only
 * visits, and its end changes nothing for the call. Pings are answered here, not by the library,
 * because a fault may forbid it.
 */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Behaviour } from '../behaviour.ts';
import type { Clock } from '../clock.ts';
import type { FaultTarget, Trigger } from '../faults/fault.ts';
import { Triggers } from '../faults/triggers.ts';
import type { CloseInfo, SessionRecord } from '../inspect/record.ts';
import type { EventSink } from '../session/sinks.ts';

const MAX_REASON_BYTES = 123;
const FAULTY_PEER_GRACE_MS = 2_000;

/** What a connection carries: a session of any type. */
export type CarriedSession = FaultTarget['session'] & {
  readonly behaviour: Behaviour;
  readonly record: SessionRecord;
  attach(sink: EventSink): void;
  detach(sink: EventSink): void;
  receive(message: Buffer): void;
};

export interface ConnectionOptions {
  ws: WebSocket;
  socket: Socket;
  clock: Clock;
  session: CarriedSession;
  takesAudio: boolean;
  /** Called once, after the socket has closed. */
  onClose(close: CloseInfo): void;
}

export class WebSocketConnection implements EventSink, FaultTarget {
  readonly session: CarriedSession;
  readonly takesAudio: boolean;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #triggers: Triggers;
  readonly #onClose: ConnectionOptions['onClose'];
  #closedByUs = false;
  #answersPings = true;

  constructor(options: ConnectionOptions) {
    this.session = options.session;
    this.takesAudio = options.takesAudio;
    this.#ws = options.ws;
    this.#socket = options.socket;
    this.#triggers = new Triggers(options.clock, options.session.record);
    this.#onClose = options.onClose;
    this.#listen();
    this.session.attach(this);
  }

  #listen(): void {
    this.#ws.on('message', data => {
      this.session.receive(data as Buffer);
      this.#triggers.check();
    });
    this.#ws.on('ping', data => {
      if (this.#answersPings) this.#ws.pong(data);
    });
    // The library closes with the fitting code (1002, 1007, 1009), which `close` reports. A peer
    // that broke the protocol gets only the grace period to close.
    this.#ws.on('error', () => this.after(FAULTY_PEER_GRACE_MS, () => this.drop()));
    this.#ws.once('close', (code, reason) => {
      this.#triggers.close();
      this.session.detach(this);
      const by = this.#closedByUs ? 'server' : 'client';
      this.#onClose({ by, code, reason: reason.toString('utf8') });
    });
  }

  send(json: string): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    this.#ws.send(json);
    this.#triggers.check();
  }

  get backlogBytes(): number {
    return this.#ws.bufferedAmount;
  }

  drop(): void {
    this.#closedByUs = true;
    this.#ws.terminate();
  }

  close(code: number, reason: string): void {
    this.#closedByUs = true;
    this.#ws.close(code, Buffer.from(reason).subarray(0, MAX_REASON_BYTES));
  }

  reset(): void {
    this.#closedByUs = true;
    this.#socket.resetAndDestroy();
  }

  when(trigger: Trigger, action: () => void): void {
    this.#triggers.when(trigger, action);
  }

  after(delayMs: number, action: () => void): void {
    this.#triggers.after(delayMs, action);
  }

  sendText(text: string): void {
    this.send(text);
  }

  sendRaw(bytes: Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  pauseReading(): void {
    this.#ws.pause();
  }

  resumeReading(): void {
    this.#ws.resume();
  }

  mutePongs(): void {
    this.#answersPings = false;
  }
}
