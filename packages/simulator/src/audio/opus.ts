/**
 * Opus, by libopus compiled to WebAssembly. Opus codes at any of its rates whatever the other side
 * uses, so both directions run at our 24 kHz mono and no resampling is needed, although the SDP
 * has `opus/48000/2`, as it must.
 *
 * Ownership: a codec holds memory of a fixed heap until `close()`; MAX_OPEN_CALLS keeps the number
 * of codecs far below what fits.
 */
import OpusScript from 'opusscript';
import { SAMPLE_RATE, toBytes, toSamples, WINDOW_SAMPLES } from './pcm.ts';

/** One packet carries 20 ms. */
export const FRAME_SAMPLES = WINDOW_SAMPLES;
export const FRAME_MS = 20;
/** RTP timestamps of Opus always count at 48 kHz (RFC 7587 §4.1). */
export const RTP_TICKS_PER_SAMPLE = 2;
const BITRATE = 32_000;

export class OpusCodec {
  readonly #opus = new OpusScript(SAMPLE_RATE, 1, OpusScript.Application.AUDIO);
  #open = true;

  constructor() {
    this.#opus.setBitrate(BITRATE);
  }

  /** Exactly `FRAME_SAMPLES` samples to one packet. */
  encode(samples: Int16Array): Buffer {
    return this.#opus.encode(toBytes(samples), FRAME_SAMPLES);
  }

  /** One packet to samples, or undefined when it is not Opus. */
  decode(packet: Buffer): Int16Array | undefined {
    try {
      return toSamples(this.#opus.decode(packet));
    } catch {
      return undefined;
    }
  }

  close(): void {
    if (this.#open) this.#opus.delete();
    this.#open = false;
  }
}
