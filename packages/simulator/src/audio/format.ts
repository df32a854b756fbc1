/**
 * The three audio formats of the protocol and the way between their bytes and 24 kHz samples. A
 * codec belongs to one direction of one session and keeps what a stream cut at random needs: the
 * odd byte of PCM16, the filter state of G.711.
 */
import { decodeG711, encodeG711, type Law } from './g711.ts';
import { toBytes, toSamples } from './pcm.ts';
import { Downsampler, Upsampler } from './resample.ts';

export type FormatName = 'audio/pcm' | 'audio/pcmu' | 'audio/pcma';

function lawOf(format: FormatName): Law | undefined {
  if (format === 'audio/pcm') return undefined;
  return format === 'audio/pcmu' ? 'pcmu' : 'pcma';
}

export class AudioDecoder {
  readonly format: FormatName;
  readonly #law: Law | undefined;
  readonly #upsampler = new Upsampler();
  #odd: number | undefined;

  constructor(format: FormatName) {
    this.format = format;
    this.#law = lawOf(format);
  }

  decode(bytes: Buffer): Int16Array {
    if (this.#law !== undefined) return this.#upsampler.push(decodeG711(this.#law, bytes));
    const whole =
      this.#odd === undefined ? bytes : Buffer.concat([Buffer.from([this.#odd]), bytes]);
    this.#odd = whole.length % 2 === 1 ? whole[whole.length - 1] : undefined;
    return toSamples(whole);
  }
}

export class AudioEncoder {
  readonly #law: Law | undefined;
  readonly #downsampler = new Downsampler();

  constructor(format: FormatName) {
    this.#law = lawOf(format);
  }

  encode(samples: Int16Array): Buffer {
    if (this.#law === undefined) return toBytes(samples);
    return encodeG711(this.#law, this.#downsampler.push(samples));
  }
}
