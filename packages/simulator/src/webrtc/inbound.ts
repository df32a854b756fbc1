/**
 * The caller's audio: RTP packets of Opus to a gapless stream of samples. A lost packet becomes
 * silence of its length, so that time in the stream is time in the room; a late or doubled one is
 * dropped.
 */
import type { RtpPacket } from 'werift';
import { type OpusCodec, RTP_TICKS_PER_SAMPLE } from '../audio/opus.ts';
import { SAMPLE_RATE } from '../audio/pcm.ts';

/** A longer gap is a pause of the sender, not loss. */
const MAX_GAP_SAMPLES = SAMPLE_RATE;
const SEQUENCE_MODULUS = 0x1_0000;

export class InboundAudio {
  readonly #codec: OpusCodec;
  readonly #onSamples: (samples: Int16Array) => void;
  #lastSequence: number | undefined;
  #nextTimestamp = 0;

  constructor(codec: OpusCodec, onSamples: (samples: Int16Array) => void) {
    this.#codec = codec;
    this.#onSamples = onSamples;
  }

  receive({ header, payload }: RtpPacket): void {
    const { sequenceNumber, timestamp } = header;
    if (this.#lastSequence !== undefined) {
      const ahead = (sequenceNumber - this.#lastSequence + SEQUENCE_MODULUS) % SEQUENCE_MODULUS;
      if (ahead === 0 || ahead > SEQUENCE_MODULUS / 2) return;
      const ticks = (timestamp - this.#nextTimestamp) | 0;
      const missing = Math.min(Math.floor(ticks / RTP_TICKS_PER_SAMPLE), MAX_GAP_SAMPLES);
      if (missing > 0) this.#onSamples(new Int16Array(missing));
    }
    if (payload.length === 0) return;
    const samples = this.#codec.decode(payload);
    if (samples === undefined) return;
    this.#lastSequence = sequenceNumber;
    this.#nextTimestamp = (timestamp + samples.length * RTP_TICKS_PER_SAMPLE) >>> 0;
    this.#onSamples(samples);
  }
}
