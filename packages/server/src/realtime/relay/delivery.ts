/**
 * How far a client has got with what it was sent: asks it by pings, keeps what it has not
 * acknowledged, and says with what it goes on at another connection. One ping at a time is under
 * way: clients take more for an attack.
 */
import type { BlockPool } from './block-pool.ts';
import { KeptOutput, type KeptRecord, textOf } from './kept-output.ts';
import { acknowledgeEveryMs } from './limits.ts';
import type { Outlet } from './outlet.ts';

export interface DeliveryOptions {
  readonly keptIn: BlockPool;
  readonly maxKeptBytes: number;
  /** The way out to the client. */
  readonly outlet: () => Pick<Outlet, 'ping' | 'pingAlong' | 'release'>;
  /** Most of the room is taken while the client is away; called once each time. */
  readonly onFull?: (() => void) | undefined;
  /** Whether a message must not reach a client twice that may have had it. */
  readonly isOnce?: ((text: string) => boolean) | undefined;
}

/** What a client that comes back is told, in numbers of messages since the session began. */
export interface Resumption {
  /** Of its own, those that have been taken. */
  readonly input: number;
  /** The number before the first of those that follow. */
  readonly output: number;
  /** Of those that it has not had, those that are not known any more. */
  readonly lost: number;
  /** Those that it may have had, and must not have twice. */
  readonly withheld: number;
}

/** `sent`: messages that a client may have had without acknowledging them. */
export interface DeliveryRecord extends KeptRecord {
  readonly sent: number;
}

/** Of the room; what ends the answer under way still fits then. */
const FULL_PART = 0.75;

export class Delivery {
  readonly kept: KeptOutput;
  readonly #options: DeliveryOptions;
  #asking: NodeJS.Timeout | undefined;
  /** A ping is under way. */
  #isAsked = false;
  /** Another one is to follow at once. */
  #isUrgent = false;
  #isAway = false;
  /** How many messages and bytes the client was sent before it went away. */
  #sentMessages = 0;
  #sentBytes = 0;
  #isFull = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.kept = new KeptOutput(options.keptIn, options.maxKeptBytes);
  }

  /** Something was sent, or kept. */
  moved(): void {
    if (this.#isAway) this.#lookAtRoom();
    else if (this.#asking === undefined && !this.#isAsked && this.kept.isOwed) this.#askSoon();
  }

  /** By the client's pong. */
  acknowledged(offset: number): void {
    this.kept.acknowledge(offset);
    this.#isAsked = false;
    if (this.#isUrgent) this.ask();
    else this.moved();
  }

  /** Asks at once, or as soon as the answer that is under way has come. */
  ask(): void {
    if (this.#isAway) return;
    const outlet = this.#options.outlet();
    this.#isUrgent = this.#isAsked;
    // What was to go along with something goes now.
    if (this.#isAsked) {
      outlet.release();
      return;
    }
    this.#stopAsking();
    this.#isAsked = true;
    outlet.ping();
  }

  #askAlong(): void {
    this.#asking = undefined;
    this.#isAsked = true;
    this.#options.outlet().pingAlong();
  }

  left(): void {
    this.#isAway = true;
    this.#isAsked = false;
    this.#isUrgent = false;
    this.#isFull = false;
    this.#sentMessages = this.kept.messages;
    this.#sentBytes = this.kept.end;
    this.#stopAsking();
  }

  /**
   * The client is back, and has had `received` messages; null where it does not know. Then it may
   * have had all that was sent and is not acknowledged.
   */
  returned(received: number | null): { frames: Buffer[] } & Omit<Resumption, 'input'> {
    this.#isAway = false;
    const { after, lost } = this.kept.continuation(received);
    const doubtful = received === null ? this.#sentMessages : 0;
    const frames = [...this.kept.from(after)];
    const wanted = frames.filter((frame, i) => after + i >= doubtful || !this.#isOnce(frame));
    return { frames: wanted, output: after, lost, withheld: frames.length - wanted.length };
  }

  /** The client has surely had all that it was sent before it went away. */
  proven(): void {
    this.kept.acknowledge(this.#sentBytes);
    this.#sentMessages = 0;
  }

  record(): DeliveryRecord {
    return { ...this.kept.record(), sent: this.#sentMessages };
  }

  restore(record: DeliveryRecord): void {
    this.kept.restore(record);
    this.#sentMessages = record.sent;
    this.#isAway = true;
  }

  end(): void {
    this.#stopAsking();
    this.kept.forget();
  }

  #isOnce(frame: Buffer): boolean {
    const text = textOf(frame);
    return text === null || this.#options.isOnce?.(text) === true;
  }

  #askSoon(): void {
    this.#asking = setTimeout(() => this.#askAlong(), acknowledgeEveryMs);
    this.#asking.unref();
  }

  #stopAsking(): void {
    clearTimeout(this.#asking);
    this.#asking = undefined;
  }

  #lookAtRoom(): void {
    if (this.#isFull || this.kept.keptBytes < FULL_PART * this.#options.maxKeptBytes) return;
    this.#isFull = true;
    this.#options.onFull?.();
  }
}
