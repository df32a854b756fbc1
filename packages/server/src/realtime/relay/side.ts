/**
 * One side of a session: its socket, the way out to it, and what is known about its health.
 *
 * Reading is paused while the other side's reader is slow, and resumed when that reader has taken
 * everything ('drain'); and while the relay holds the side back. A side that is not read may be
 * silent.
 */
import type { Duplex } from 'node:stream';
import type { RelayLimits } from './limits.ts';
import type { Outlet } from './outlet.ts';

/** A connected WebSocket after its handshake, as raw bytes. The relay owns the socket from then. */
export interface RelayPeer {
  readonly socket: Duplex;
  /** Bytes that came with the handshake. The relay takes them away: they can pin a large buffer. */
  head?: Buffer | undefined;
  /**
   * How to get the bytes if not by 'data' events: calls `take` for each chunk, which is valid only
   * during the call.
   */
  readonly read?: (take: (chunk: Buffer) => void) => void;
}

export interface SideEvents {
  chunk(side: Side, chunk: Buffer, borrowed: boolean): void;
  /** No more bytes will come. Called more than once. */
  gone(side: Side): void;
  /** The socket is closed; called once. */
  shut(side: Side): void;
}

export type SideName = 'client' | 'upstream';

/** What a health check found. */
export type Ailment = 'none' | 'silent' | 'stalled';

export class Side {
  readonly name: SideName;
  readonly socket: Duplex;
  readonly outlet: Outlet;
  /** Reading is paused because the other side's reader is slow. */
  paused = false;
  /** Reading is paused because it has sent too much. */
  heldBack = false;
  /** Its close frame came, or is not waited for. */
  closeReceived = false;
  /** No more bytes will come from it. */
  gone = false;
  /** Its socket is closed. */
  isShut = false;
  /** Bytes read, for the ticker to see that there were any. */
  bytesRead = 0;

  #bytesSeen = 0;
  #heardAtMs = 0;
  #pingedAtMs = 0;
  #stalledSinceMs = -1;
  #backlogBytes = 0;
  readonly #peer: RelayPeer;

  constructor(name: SideName, peer: RelayPeer, outlet: Outlet) {
    this.name = name;
    this.#peer = peer;
    this.socket = peer.socket;
    this.outlet = outlet;
  }

  /** Takes over the socket. Bytes that came with the handshake are delivered first. */
  start(events: SideEvents, nowMs: number): void {
    const { socket } = this;
    this.#heardAtMs = nowMs;
    this.#pingedAtMs = nowMs;
    const gone = () => events.gone(this);
    socket.on('error', gone);
    socket.on('end', gone);
    const shut = () => {
      this.isShut = true;
      events.gone(this);
      events.shut(this);
    };
    if (socket.closed) {
      shut();
      return;
    }
    socket.on('close', shut);
    const head = this.#peer.head;
    this.#peer.head = undefined;
    if (head !== undefined && head.length > 0) this.#take(events, head, false);
    if (this.#peer.read !== undefined) {
      this.#peer.read(chunk => this.#take(events, chunk, true));
    } else socket.on('data', (chunk: Buffer) => this.#take(events, chunk, false));
    // A dialled socket comes paused, and a listener alone does not change that.
    if (this.paused || this.heldBack) socket.pause();
    else socket.resume();
  }

  #take(events: SideEvents, chunk: Buffer, borrowed: boolean): void {
    this.bytesRead += chunk.length;
    events.chunk(this, chunk, borrowed);
  }

  /** Bytes that this side has not taken yet. */
  get backlogBytes(): number {
    return this.outlet.backlogBytes;
  }

  /** Stops reading until `reader` has taken what waits for it. False if nothing was to be done. */
  pauseFor(reader: Side): boolean {
    // 'drain' comes only after a write that asked to wait for it.
    if (this.paused || !reader.socket.writableNeedDrain) return false;
    this.paused = true;
    this.socket.pause();
    reader.socket.once('drain', () => this.#resume());
    return true;
  }

  /** Its reader is another one now, for which nothing waits yet. */
  forgetReader(): void {
    this.paused = false;
  }

  #resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (!this.heldBack) this.socket.resume();
  }

  /** Stops reading until `goOn`. */
  holdBack(): void {
    this.heldBack = true;
    this.socket.pause();
  }

  goOn(): void {
    if (!this.heldBack) return;
    this.heldBack = false;
    if (!this.paused) this.socket.resume();
  }

  /** Sends the close frame as soon as it may stand there. */
  sendClose(code: number, reason: string): void {
    if (!this.gone) this.outlet.close(code, reason);
    // What still comes is read, for its close frame: nothing waits for a slow reader any more.
    this.#resume();
    this.goOn();
  }

  /**
   * Ends the socket once nothing more is to be said or heard. Cuts it off if its close frame cannot
   * be sent: the side is gone, or waits inside a frame whose source is gone.
   */
  settle(sourceGone: boolean): void {
    const { socket, outlet } = this;
    if (!outlet.closed) {
      if (this.gone || sourceGone) socket.destroy();
    } else if ((this.closeReceived || this.gone) && !socket.writableEnded) socket.end();
  }

  /**
   * Looks whether this side still talks, and, if `pausedSource`, whether its reader still takes
   * anything. Pings when it is time to.
   */
  check(nowMs: number, limits: RelayLimits, pausedSource: boolean): Ailment {
    if (this.paused || this.heldBack || this.bytesRead !== this.#bytesSeen) {
      this.#bytesSeen = this.bytesRead;
      this.#heardAtMs = nowMs;
    } else if (nowMs - this.#heardAtMs >= limits.deadAfterMs) return 'silent';
    if (pausedSource && this.#stalled(nowMs, limits.stallAfterMs)) return 'stalled';
    if (!pausedSource) this.#stalledSinceMs = -1;
    if (nowMs - this.#pingedAtMs >= limits.pingIntervalMs) {
      this.#pingedAtMs = nowMs;
      this.outlet.ping();
    } else if (this.outlet.waiting) this.outlet.release();
    return 'none';
  }

  /** When a byte was last seen to have come from this side. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  #stalled(nowMs: number, stallAfterMs: number): boolean {
    const backlogBytes = this.outlet.backlogBytes;
    if (this.#stalledSinceMs < 0 || backlogBytes < this.#backlogBytes) this.#stalledSinceMs = nowMs;
    this.#backlogBytes = backlogBytes;
    return nowMs - this.#stalledSinceMs >= stallAfterMs;
  }
}
