/**
 * Where a session's events go: its WebSocket, its data channel, any number of sidebands. An event
 * is written once and handed to all; audio goes only to those that take it in events.
 */
import type { SessionRecord } from '../inspect/record.ts';
import { MAX_SEND_BACKLOG_BYTES, SEND_HIGH_WATER_BYTES } from '../limits.ts';
import { EventIds, type Random } from '../random.ts';
import type { AudioPlace } from './host.ts';
import type { ServerEvent } from './server-events.ts';

export interface EventSink {
  /** Sends the text of one event; must not throw. */
  send(json: string): void;
  /** Bytes handed over and not yet taken by the network. */
  readonly backlogBytes: number;
  /** Whether audio deltas are wanted. */
  readonly takesAudio: boolean;
  /** The reader is too slow: end the connection. */
  drop(): void;
}

export class Sinks {
  readonly #sinks = new Set<EventSink>();
  readonly #ids: EventIds;
  readonly #record: SessionRecord;

  constructor(random: Random, record: SessionRecord) {
    this.#ids = new EventIds(random);
    this.#record = record;
  }

  add(sink: EventSink): void {
    this.#sinks.add(sink);
  }

  delete(sink: EventSink): void {
    this.#sinks.delete(sink);
  }

  get takesAudio(): boolean {
    for (const sink of this.#sinks) if (sink.takesAudio) return true;
    return false;
  }

  get backlogged(): boolean {
    for (const sink of this.#sinks) if (sink.backlogBytes > SEND_HIGH_WATER_BYTES) return true;
    return false;
  }

  emit(event: ServerEvent, only?: EventSink): void {
    const { type, ...fields } = event;
    const json = JSON.stringify({ type, event_id: this.#ids.next(), ...fields });
    this.#record.sent.count(type, json.length);
    if (only !== undefined) only.send(json);
    else for (const sink of this.#sinks) this.#send(sink, json);
  }

  /**
   * One audio delta, put together by hand because there are thousands a second. `counted` is false
   * when the same audio is counted as it plays on a media track.
   */
  emitAudio(place: AudioPlace, outputIndex: number, audio: Buffer, counted: boolean): void {
    const json =
      `{"type":"response.output_audio.delta","event_id":"${this.#ids.next()}",` +
      `"response_id":"${place.responseId}","item_id":"${place.itemId}",` +
      `"output_index":${outputIndex},"content_index":${place.contentIndex},` +
      `"delta":"${audio.toString('base64')}"}`;
    this.#record.sent.count('response.output_audio.delta', json.length);
    if (counted) this.#record.sent.audio(audio);
    for (const sink of this.#sinks) if (sink.takesAudio) this.#send(sink, json);
  }

  #send(sink: EventSink, json: string): void {
    if (sink.backlogBytes > MAX_SEND_BACKLOG_BYTES) sink.drop();
    else sink.send(json);
  }
}
