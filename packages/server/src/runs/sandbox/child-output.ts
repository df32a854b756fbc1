import { PassThrough, type Readable } from 'node:stream';

/**
 * The output of a child process, safe to be read late. When a child ends, Node throws away whatever
 * of its output nobody has begun to read; a fast command would seem to have said nothing. Ends and
 * fails as `output` does; once it is closed, the rest of `output` is let go.
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
