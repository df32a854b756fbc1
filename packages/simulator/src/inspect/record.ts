/**
 * What one session received and sent, counted and hashed, so that a test can prove what arrived
 * without asking the parts it tests. A record outlives its session. It never holds a key, only the
 * beginning of the key's hash.
 */
import { createHash, type Hash } from 'node:crypto';
import { rms, WINDOW_MS, WINDOW_SAMPLES } from '../audio/pcm.ts';
import { MAX_COUNTED_TYPES, MAX_ENVELOPE_VALUES } from '../limits.ts';

export interface RequestInfo {
  path: string;
  /** Without the key. */
  query: Record<string, string>;
  /** Without headers that carry a key. */
  headers: Record<string, string>;
  auth: AuthInfo | null;
}

export interface AuthInfo {
  kind: 'bearer' | 'api-key' | 'query' | 'subprotocol';
  /** First 12 hex digits of the key's SHA-256. */
  key_sha256: string;
}

export interface CloseInfo {
  by: 'client' | 'server';
  code: number | null;
  reason: string;
}

const OTHER = 'other';

/** One direction of a session. */
class Traffic {
  frames = 0;
  bytes = 0;
  audioBytes = 0;
  readonly #events = new Map<string, number>();
  readonly #hash: Hash = createHash('sha256');

  count(type: string, bytes: number): void {
    const known = this.#events.has(type) || this.#events.size < MAX_COUNTED_TYPES;
    const name = known ? type : OTHER;
    this.#events.set(name, (this.#events.get(name) ?? 0) + 1);
    this.frames += 1;
    this.bytes += bytes;
  }

  audio(bytes: Uint8Array): void {
    this.audioBytes += bytes.byteLength;
    this.#hash.update(bytes);
  }

  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  view() {
    return {
      frames: this.frames,
      bytes: this.bytes,
      audio_bytes: this.audioBytes,
      events: Object.fromEntries(this.#events),
    };
  }
}

/** Loudness of the received audio in steps of 20 ms. */
class Envelope {
  readonly #values: number[] = [];
  readonly #window = new Int16Array(WINDOW_SAMPLES);
  #filled = 0;

  push(samples: Int16Array): void {
    let at = 0;
    while (at < samples.length && this.#values.length < MAX_ENVELOPE_VALUES) {
      const take = Math.min(WINDOW_SAMPLES - this.#filled, samples.length - at);
      this.#window.set(samples.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
      if (this.#filled < WINDOW_SAMPLES) return;
      this.#filled = 0;
      this.#values.push(Number(rms(this.#window).toFixed(5)));
    }
  }

  view() {
    return { window_ms: WINDOW_MS, rms: this.#values };
  }
}

export interface RecordOptions {
  id: string;
  transport: 'websocket' | 'webrtc' | 'sip';
  model: string;
  callId?: string;
  request: RequestInfo;
  nowMs: number;
}

export class SessionRecord {
  readonly options: RecordOptions;
  readonly received = new Traffic();
  readonly sent = new Traffic();
  readonly envelope = new Envelope();
  sidebands = 0;
  close: CloseInfo | null = null;
  #closedAtMs: number | undefined;

  constructor(options: RecordOptions) {
    this.options = options;
  }

  get open(): boolean {
    return this.#closedAtMs === undefined;
  }

  /** The first reason given stays. */
  end(close: CloseInfo, nowMs: number): void {
    if (!this.open) return;
    this.close = close;
    this.#closedAtMs = nowMs;
  }

  view(nowMs: number) {
    const { id, transport, model, callId, request, nowMs: openedAtMs } = this.options;
    return {
      id,
      call_id: callId ?? null,
      transport,
      model,
      state: this.open ? 'open' : 'closed',
      opened_at: new Date(openedAtMs).toISOString(),
      seconds: ((this.#closedAtMs ?? nowMs) - openedAtMs) / 1000,
      close: this.close,
      received: this.received.view(),
      sent: this.sent.view(),
      audio_sha256: this.received.sha256(),
      sent_sha256: this.sent.sha256(),
      sidebands: this.sidebands,
      request,
    };
  }
}
