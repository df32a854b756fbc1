/** Unexpected errors of the proof: they fail a check, and the verdict is given all the same. */
import { type Check, checkOf } from './judge.ts';

export class Troubles {
  readonly found: string[] = [];
  readonly #notice = (error: unknown) => void this.found.push(textOf(error));

  /** Also rejections and exceptions without a handler, from now on. */
  watchProcess(): void {
    process.on('uncaughtException', this.#notice);
  }

  /** What `work` answers; undefined when it fails, which is noted. */
  async during<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.found.push(`${what}: ${textOf(error)}`);
      return undefined;
    }
  }

  check(): Check {
    const first = (text: string) => [text.split('\n', 1)[0]!];
    return checkOf('nothing unexpected happened', this.found, first, `${this.found.length} times`);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
