/**
 * A look into a Node process from outside, over its inspector: the process runs the code that runs
 * in production, started with `--inspect` on a free loopback port.
 */
import { once } from 'node:events';
import { WebSocket } from 'ws';

const ANSWER_TIMEOUT_MS = 30_000;
/** Buffers are given back while the next collection runs: the second one sees what is left. */
const COLLECTIONS = 2;
const BYTES_PER_MB = 1_000_000;

/** One sample, right after a forced collection. Memory in MB (10⁶ bytes). */
export interface MemorySample {
  readonly heapUsedMb: number;
  readonly externalMb: number;
  readonly arrayBuffersMb: number;
  readonly rssMb: number;
  /** CPU time of the process so far. */
  readonly cpuSeconds: number;
}

interface Answer {
  readonly id: number;
  readonly result?: { readonly result?: { readonly value?: unknown } };
  readonly error?: { readonly message: string };
}

export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', data => {
      const answer = JSON.parse(String(data)) as Answer;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      const error = { message: 'the process has gone' };
      for (const [id, tell] of this.#waiting) tell({ id, error });
    });
  }

  /** `url` is what the process printed after `Debugger listening on`. The caller closes it. */
  static async connect(url: string): Promise<Inspector> {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await once(socket, 'open');
    return new Inspector(socket);
  }

  /** Collects garbage and measures what is left. */
  async sample(): Promise<MemorySample> {
    for (let i = 0; i < COLLECTIONS; i++) await this.#ask('HeapProfiler.collectGarbage', {});
    const expression = 'JSON.stringify([process.memoryUsage(), process.cpuUsage()])';
    const answer = await this.#ask('Runtime.evaluate', { expression, returnByValue: true });
    const [memory, cpu] = JSON.parse(String(answer.result?.result?.value)) as [
      NodeJS.MemoryUsage,
      NodeJS.CpuUsage,
    ];
    return {
      heapUsedMb: memory.heapUsed / BYTES_PER_MB,
      externalMb: memory.external / BYTES_PER_MB,
      arrayBuffersMb: memory.arrayBuffers / BYTES_PER_MB,
      rssMb: memory.rss / BYTES_PER_MB,
      cpuSeconds: (cpu.user + cpu.system) / 1_000_000,
    };
  }

  close(): void {
    this.#socket.close();
  }

  async #ask(method: string, params: Record<string, unknown>): Promise<Answer> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answered = new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer: ${method}`)), ANSWER_TIMEOUT_MS);
      this.#waiting.set(id, answer => {
        clearTimeout(timer);
        resolve(answer);
      });
    });
    this.#socket.send(JSON.stringify({ id, method, params }));
    const answer = await answered;
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    return answer;
  }
}
