/**
 * Brings a microphone down to another rate where the browser will not (Firefox gives a stream only
 * at its own rate). A windowed sinc with its cut-off below the lower of the two Nyquist limits;
 * state is carried over chunk borders, so chunks of any size join without a click.
 */
const HALF_WIDTH = 16;
const CUTOFF_SHARE = 0.92;

export class Resampler {
  private readonly step: number;
  private readonly cutoff: number;
  private readonly reach: number;
  private pending: Float32Array;
  /** Of the next output sample, in input samples from the start of `pending`. */
  private position: number;

  constructor(inputRateHz: number, outputRateHz: number) {
    this.step = inputRateHz / outputRateHz;
    this.cutoff = Math.min(1, outputRateHz / inputRateHz) * CUTOFF_SHARE;
    this.reach = Math.ceil(HALF_WIDTH / Math.min(1, outputRateHz / inputRateHz));
    this.pending = new Float32Array(this.reach);
    this.position = this.reach;
  }

  /** The output that the input so far allows; it lags by the filter's half width. */
  push(input: Float32Array): Float32Array {
    const joined = new Float32Array(this.pending.length + input.length);
    joined.set(this.pending);
    joined.set(input, this.pending.length);
    const output: number[] = [];
    while (this.position + this.reach < joined.length) {
      output.push(this.sample(joined));
      this.position += this.step;
    }
    const used = Math.max(0, Math.floor(this.position) - this.reach);
    this.pending = joined.slice(used);
    this.position -= used;
    return Float32Array.from(output);
  }

  private sample(input: Float32Array): number {
    const centre = Math.floor(this.position);
    let sum = 0;
    let weight = 0;
    for (let i = centre - this.reach + 1; i <= centre + this.reach; i++) {
      const distance = i - this.position;
      const w = sinc(distance * this.cutoff) * hann(distance / this.reach);
      sum += input[i]! * w;
      weight += w;
    }
    return sum / weight;
  }
}

function sinc(x: number): number {
  if (Math.abs(x) < 1e-9) return 1;
  return Math.sin(Math.PI * x) / (Math.PI * x);
}

function hann(x: number): number {
  return Math.abs(x) >= 1 ? 0 : 0.5 + 0.5 * Math.cos(Math.PI * x);
}
