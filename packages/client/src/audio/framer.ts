/** Cuts a stream of samples of any chunk size into frames of one size. The rest waits. */
export class Framer {
  private frame: Int16Array<ArrayBuffer>;
  private filled = 0;
  private readonly onFrame: (frame: Int16Array<ArrayBuffer>) => void;

  /** Each frame handed out is the receiver's own. */
  constructor(frameSamples: number, onFrame: (frame: Int16Array<ArrayBuffer>) => void) {
    this.frame = new Int16Array(frameSamples);
    this.onFrame = onFrame;
  }

  push(pcm: Int16Array): void {
    let offset = 0;
    while (offset < pcm.length) {
      const take = Math.min(this.frame.length - this.filled, pcm.length - offset);
      this.frame.set(pcm.subarray(offset, offset + take), this.filled);
      this.filled += take;
      offset += take;
      if (this.filled === this.frame.length) {
        const full = this.frame;
        this.frame = new Int16Array(full.length);
        this.filled = 0;
        this.onFrame(full);
      }
    }
  }
}
