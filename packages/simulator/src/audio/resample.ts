/**
 * Between 8 kHz (G.711) and 24 kHz (everything else), a factor of three. Both directions keep their
 * state between calls, so a stream may be cut anywhere without a click.
 */
const FACTOR = 3;
const TAPS = 31;

/** A windowed-sinc low pass at a third of the band: keeps what 8 kHz can carry. */
const LOW_PASS = lowPass();

function lowPass(): Float64Array {
  const middle = (TAPS - 1) / 2;
  const taps = Float64Array.from({ length: TAPS }, (_, index) => {
    const offset = (index - middle) / FACTOR;
    const sinc = offset === 0 ? 1 : Math.sin(Math.PI * offset) / (Math.PI * offset);
    const window = 0.54 - 0.46 * Math.cos((2 * Math.PI * index) / (TAPS - 1));
    return sinc * window;
  });
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map(tap => tap / sum);
}

function clamp(value: number): number {
  return Math.max(-32_768, Math.min(32_767, Math.round(value)));
}

/** 8 kHz to 24 kHz by straight lines between samples. */
export class Upsampler {
  #last = 0;

  push(samples: Int16Array): Int16Array {
    const out = new Int16Array(samples.length * FACTOR);
    let last = this.#last;
    for (let index = 0; index < samples.length; index++) {
      const next = samples[index] as number;
      for (let step = 0; step < FACTOR; step++) {
        out[index * FACTOR + step] = clamp(last + ((next - last) * (step + 1)) / FACTOR);
      }
      last = next;
    }
    this.#last = last;
    return out;
  }
}

/** 24 kHz to 8 kHz: low pass, then every third sample. */
export class Downsampler {
  #pending = new Int16Array(TAPS - 1);

  push(samples: Int16Array): Int16Array {
    const input = new Int16Array(this.#pending.length + samples.length);
    input.set(this.#pending);
    input.set(samples, this.#pending.length);
    const count = Math.max(0, Math.floor((input.length - TAPS) / FACTOR) + 1);
    const out = new Int16Array(count);
    for (let index = 0; index < count; index++) {
      let sum = 0;
      for (let tap = 0; tap < TAPS; tap++) {
        sum += (input[index * FACTOR + tap] as number) * (LOW_PASS[tap] as number);
      }
      out[index] = clamp(sum);
    }
    this.#pending = input.slice(count * FACTOR);
    return out;
  }
}
