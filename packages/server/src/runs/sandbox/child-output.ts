import { PassThrough, type Readable } from 'node:stream';

/**
 * The output of a child process, safe to be read late. When a child ends, Node discards the output
 * that has no reader yet; a fast command would seem to have printed nothing. Ends and fails as
 * `output` does; once it is closed, the rest of `output` is discarded.
 */
export function keptOutput(output: Readable): Readable {
  const kept = new PassThrough();
  output.on('error', error => kept.destroy(error));
  kept.once('close', () => {
    output.unpipe(kept);
    output.resume();
  });
  return output.pipe(kept);
}
