/** The benchmark's end of the channel to the subscribers' process. */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type PinnedChild, startPinned } from '../lib/child.ts';

export type LoadRequest =
  | {
      readonly kind: 'open';
      readonly target: string;
      readonly port: number;
      readonly path: string;
      readonly count: number;
    }
  | { readonly kind: 'count' | 'close'; readonly target: string };

const script = fileURLToPath(new URL('sse-load.ts', import.meta.url));

export class SseLoad {
  readonly #child: PinnedChild;

  private constructor(child: PinnedChild) {
    this.#child = child;
  }

  static async start(core: number): Promise<SseLoad> {
    const child = startPinned([process.execPath, script], { core, ipc: true });
    await once(child.process, 'message');
    return new SseLoad(child);
  }

  async #ask(request: LoadRequest): Promise<number> {
    this.#child.process.send(request);
    type Reply = { value: number; error?: string };
    const [reply] = (await once(this.#child.process, 'message')) as [Reply];
    if (reply.error !== undefined) throw new Error(`subscribers: ${reply.error}`);
    return reply.value;
  }

  /** Opens subscribers until there are `count`. */
  async open(target: { name: string; port: number; path: string }, count: number): Promise<void> {
    const { name, port, path } = target;
    await this.#ask({ kind: 'open', target: name, port, path, count });
  }

  /** Events that arrived since the last time. */
  count(target: string): Promise<number> {
    return this.#ask({ kind: 'count', target });
  }

  async close(target: string): Promise<void> {
    await this.#ask({ kind: 'close', target });
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}
