/**
 * The model's voice on a media track: a queue of samples played as Opus packets, one every 20 ms,
 * silence when the queue is empty.
 *
 * Per response: queued -> playing (`onStarted`, with its first packet) -> over (`onStopped`, when
 * the queue has run through its end) or cut off (`clear`). The pace is absolute: packets that a
 * late timer missed are sent at once, up to MAX_CATCH_UP; beyond that the schedule starts anew.
 */
import { randomInt } from 'node:crypto';
import { type MediaStreamTrack, RtpHeader, RtpPacket } from 'werift';
import { FRAME_MS, FRAME_SAMPLES, type OpusCodec, RTP_TICKS_PER_SAMPLE } from '../audio/opus.ts';
import { msOf, samplesOf } from '../audio/pcm.ts';
import { MAX_PLAYOUT_MS } from '../limits.ts';
import type { AudioPlace, Interrupted, MediaOutput } from '../session/host.ts';

const MAX_CATCH_UP = 10;
/** The sender sets the negotiated payload type; the header needs some value before that. */
const PAYLOAD_TYPE = 111;

type Entry =
  | { kind: 'audio'; place: AudioPlace; samples: Int16Array }
  | { kind: 'end'; responseId: string };

export interface PlayoutEvents {
  onStarted(responseId: string): void;
  onStopped(responseId: string): void;
  /** What was just sent of the model's voice (without the silence around it). */
  onPlayed(samples: Int16Array): void;
}

export class Playout implements MediaOutput {
  readonly #codec: OpusCodec;
  readonly #track: MediaStreamTrack;
  readonly #events: PlayoutEvents;
  #queue: Entry[] = [];
  #queuedSamples = 0;
  /** Begun and not over. */
  #playing: AudioPlace | undefined;
  #playedSamples = 0;
  #timer: NodeJS.Timeout | undefined;
  #nextAtMs = 0;
  #sequence = randomInt(0x8000);
  #timestamp = randomInt(0x8000_0000);
  #stopped = false;

  constructor(codec: OpusCodec, track: MediaStreamTrack, events: PlayoutEvents) {
    this.#codec = codec;
    this.#track = track;
    this.#events = events;
  }

  start(): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#nextAtMs = performance.now();
    this.#tick();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#queue = [];
  }

  play(place: AudioPlace, samples: Int16Array): void {
    if (this.#stopped || this.#queuedSamples > samplesOf(MAX_PLAYOUT_MS)) return;
    this.#queue.push({ kind: 'audio', place, samples });
    this.#queuedSamples += samples.length;
  }

  finish(responseId: string): void {
    if (!this.#stopped) this.#queue.push({ kind: 'end', responseId });
  }

  clear(): Interrupted | undefined {
    const place = this.#playing ?? this.#queue.find(entry => entry.kind === 'audio')?.place;
    const playedMs = this.#playing === undefined ? 0 : msOf(this.#playedSamples);
    this.#queue = [];
    this.#queuedSamples = 0;
    this.#playing = undefined;
    return place === undefined ? undefined : { ...place, playedMs };
  }

  #tick(): void {
    const nowMs = performance.now();
    let sent = 0;
    while (this.#nextAtMs <= nowMs && !this.#stopped) {
      if (sent === MAX_CATCH_UP) {
        this.#nextAtMs = nowMs + FRAME_MS;
        break;
      }
      this.#sendFrame();
      this.#nextAtMs += FRAME_MS;
      sent += 1;
    }
    if (!this.#stopped) {
      this.#timer = setTimeout(() => this.#tick(), Math.max(0, this.#nextAtMs - performance.now()));
    }
  }

  #sendFrame(): void {
    const frame = new Int16Array(FRAME_SAMPLES);
    const filled = this.#fill(frame);
    if (filled > 0) this.#events.onPlayed(frame.subarray(0, filled));
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#timestamp = (this.#timestamp + FRAME_SAMPLES * RTP_TICKS_PER_SAMPLE) >>> 0;
    const header = new RtpHeader({
      payloadType: PAYLOAD_TYPE,
      sequenceNumber: this.#sequence,
      timestamp: this.#timestamp,
    });
    this.#track.writeRtp(new RtpPacket(header, this.#codec.encode(frame)));
  }

  /** Takes what fits from the queue; the end of a response also ends its frame. */
  #fill(frame: Int16Array): number {
    let filled = 0;
    while (filled < frame.length) {
      const entry = this.#queue[0];
      if (entry === undefined) break;
      if (entry.kind === 'end') {
        this.#queue.shift();
        if (this.#playing?.responseId === entry.responseId) {
          this.#playing = undefined;
          this.#events.onStopped(entry.responseId);
        }
        break;
      }
      const { samples } = entry;
      const take = Math.min(samples.length, frame.length - filled);
      this.#begin(entry.place);
      frame.set(samples.subarray(0, take), filled);
      filled += take;
      this.#playedSamples += take;
      this.#queuedSamples -= take;
      if (take === samples.length) this.#queue.shift();
      else entry.samples = samples.subarray(take);
    }
    return filled;
  }

  #begin(place: AudioPlace): void {
    const before = this.#playing;
    if (before?.itemId === place.itemId) return;
    this.#playing = place;
    this.#playedSamples = 0;
    if (before?.responseId !== place.responseId) this.#events.onStarted(place.responseId);
  }
}
