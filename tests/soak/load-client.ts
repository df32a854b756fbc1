import { fileURLToPath } from 'node:url';
import { startProcess, type TestProcess } from '../e2e/harness/process.ts';
import type { ClientSession, LoadPlan, LoadProgress, LoadReply, LoadRequest } from './messages.ts';

const SCRIPT = fileURLToPath(new URL('load.ts', import.meta.url));
const ANSWER_TIMEOUT_MS = 180_000;

type WithoutId<R> = R extends unknown ? Omit<R, 'id'> : never;
type Command = WithoutId<LoadRequest>;

/** The soak's end of a load process. */
export class LoadClient {
  readonly process: TestProcess;
  #lastId = 0;

  constructor() {
    this.process = startProcess(SCRIPT, {});
  }

  async open(plan: LoadPlan): Promise<void> {
    await this.#ask({ do: 'open', plan });
  }

  /** `durationMs` is how long the plan should take. */
  async run(durationMs: number): Promise<void> {
    await this.#ask({ do: 'run' }, durationMs + ANSWER_TIMEOUT_MS);
  }

  async progress(): Promise<LoadProgress> {
    return (await this.#ask({ do: 'progress' })) as LoadProgress;
  }

  async results(): Promise<ClientSession[]> {
    return (await this.#ask({ do: 'results' })) as ClientSession[];
  }

  async close(): Promise<void> {
    await this.#ask({ do: 'close' });
  }

  async #ask(command: Command, timeoutMs = ANSWER_TIMEOUT_MS): Promise<unknown> {
    this.#lastId += 1;
    const id = this.#lastId;
    this.process.child.stdin!.write(`${JSON.stringify({ id, ...command })}\n`);
    const reply = await this.process.waitFor(line => line.id === id, timeoutMs);
    const { error, value } = reply as unknown as LoadReply;
    if (error !== undefined) throw new Error(`load: ${error}`);
    return value;
  }
}
