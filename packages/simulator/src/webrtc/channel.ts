/**
 * The `oai-events` data channel as a place for events. Events wait in order until the channel is
 * open, and as much longer as the settings ask for.
 */
import type { RTCDataChannel } from 'werift';
import type { Cancel, Clock } from '../clock.ts';
import { MAX_QUEUED_CHANNEL_EVENTS } from '../limits.ts';
import type { EventSink } from '../session/sinks.ts';

export interface ChannelOptions {
  clock: Clock;
  settleMs: number;
  onMessage(message: Buffer): void;
  onClose(): void;
}

export class ChannelSink implements EventSink {
  readonly takesAudio = false;
  readonly #options: ChannelOptions;
  #channel: RTCDataChannel | undefined;
  #queue: string[] = [];
  #ready = false;
  #cancel: Cancel = () => {};

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  /** The first channel counts; others are ignored. */
  connect(channel: RTCDataChannel): void {
    if (this.#channel !== undefined) return;
    this.#channel = channel;
    channel.onMessage.subscribe(data => this.#options.onMessage(Buffer.from(data)));
    channel.stateChanged.subscribe(state => this.#onState(state));
    this.#onState(channel.readyState);
  }

  #onState(state: RTCDataChannel['readyState']): void {
    if (state === 'closed') this.#options.onClose();
    if (state !== 'open' || this.#ready) return;
    this.#cancel();
    this.#cancel = this.#options.clock.after(this.#options.settleMs, () => {
      this.#ready = true;
      for (const json of this.#queue) this.#deliver(json);
      this.#queue = [];
    });
  }

  send(json: string): void {
    if (this.#ready) this.#deliver(json);
    else if (this.#queue.length < MAX_QUEUED_CHANNEL_EVENTS) this.#queue.push(json);
  }

  #deliver(json: string): void {
    if (this.#channel?.readyState === 'open') this.#channel.send(json);
  }

  /** Events waiting for the channel. */
  get queued(): number {
    return this.#queue.length;
  }

  get backlogBytes(): number {
    return this.#channel?.bufferedAmount ?? 0;
  }

  drop(): void {
    this.#options.onClose();
  }

  close(): void {
    this.#cancel();
    this.#queue = [];
  }
}
