import { Transform, type TransformCallback } from 'node:stream';
import { HoldfastError } from '../../kernel/index.ts';

/** Passes bytes on, counts them, and fails with `payload_too_large` at the first one too many. */
export class SizeLimit extends Transform {
  sizeBytes = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    super();
    this.#maxBytes = maxBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.sizeBytes += chunk.length;
    if (this.sizeBytes <= this.#maxBytes) {
      done(null, chunk);
      return;
    }
    const detail = `At most ${this.#maxBytes} bytes are accepted.`;
    done(new HoldfastError('payload_too_large', detail));
  }
}
