/** The benchmark's end of the channel to the load process. */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type PinnedChild, startPinned } from '../lib/child.ts';
import type { Reply, Request, RunRequest, RunResult } from './messages.ts';
import type { Target } from './targets.ts';

const script = fileURLToPath(new URL('load.ts', import.meta.url));

export class Load {
  readonly #child: PinnedChild;
  readonly upstreamPort: number;

  private constructor(child: PinnedChild, upstreamPort: number) {
    this.#child = child;
    this.upstreamPort = upstreamPort;
  }

  static async start(core: number): Promise<Load> {
    const child = startPinned([process.execPath, script], { core, ipc: true });
    child.process.once('exit', code => {
      if (code) child.printed(/$./).catch((error: unknown) => console.error(error));
    });
    const [port] = (await once(child.process, 'message')) as [number];
    return new Load(child, port);
  }

  async #ask(request: Request): Promise<RunResult | undefined> {
    this.#child.process.send(request);
    const [reply] = (await once(this.#child.process, 'message')) as [Reply];
    if (!reply.ok) throw new Error(`load through ${request.target}: ${reply.error}`);
    return reply.result;
  }

  /** Opens sessions through `target` until there are `count`. */
  async open(target: Target, count: number): Promise<void> {
    const { name, port, path, headers } = target;
    await this.#ask({ kind: 'open', target: name, port, path, headers, count });
  }

  async close(target: Target): Promise<void> {
    await this.#ask({ kind: 'close', target: target.name });
  }

  async run(target: Target, request: Omit<RunRequest, 'kind' | 'target'>): Promise<RunResult> {
    return (await this.#ask({ kind: 'run', target: target.name, ...request }))!;
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}
