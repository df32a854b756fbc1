import type { Readable } from 'node:stream';

const LINE_MAX_CHARS = 64 * 1024;

/**
 * Finds the first line of `stream` that `match` accepts and answers what it returned; null when the
 * stream ends before. Reading goes on afterwards, so that the writer never stands still.
 */
export function firstLine<T>(
  stream: Readable,
  match: (line: string) => T | undefined,
): Promise<T | null> {
  return new Promise(resolve => {
    let rest = '';
    let found = false;
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      if (found) return;
      const lines = (rest + text).split('\n');
      rest = lines.pop()!.slice(-LINE_MAX_CHARS);
      for (const line of lines) {
        const result = found ? undefined : match(line);
        if (result === undefined) continue;
        found = true;
        resolve(result);
      }
    });
    stream.once('close', () => resolve(null));
  });
}

/** The port in a log line of a process that listens. */
export function listeningPort(line: string): number | undefined {
  if (!/listening/.test(line)) return undefined;
  const port = /"port":\s*(\d+)/.exec(line)?.[1];
  return port === undefined ? undefined : Number(port);
}

/** The address in a log line of a process that listens, as JSON or as text for people. */
export function listeningUrl(line: string): string | undefined {
  if (!/listening/.test(line)) return undefined;
  return /"url":\s*"(https?:\/\/[^"]+)"/.exec(line)?.[1];
}
