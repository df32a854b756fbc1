/** Sends fuzz requests: well-formed ones over kept connections, raw bytes over their own. */
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import type { FuzzRequest } from './requests.ts';

export interface FuzzAnswer {
  /** 0: the connection was closed without an answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

const ANSWER_TIMEOUT_MS = 30_000;
const RETRIES = 3;
const NO_ANSWER: FuzzAnswer = { status: 0, headers: {}, body: '' };

export class FuzzClient {
  readonly #port: number;
  readonly #agent: Agent;

  constructor(port: number, connections: number) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  /** Rejects when there is no answer in time. */
  async send(request: FuzzRequest): Promise<FuzzAnswer> {
    if (request.raw) return this.#sendRaw(request.raw);
    // A kept connection may have been closed by the server just when it was used again.
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#sendOnce(request);
      if (answer !== 'stale') return answer;
      if (attempt === RETRIES) return NO_ANSWER;
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #sendOnce({ method, path, headers, body }: FuzzRequest): Promise<FuzzAnswer | 'stale'> {
    return new Promise((resolve, reject) => {
      const sent = httpRequest({
        agent: this.#agent,
        host: '127.0.0.1',
        port: this.#port,
        method,
        path,
        headers: { ...headers },
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      });
      let answered = false;
      sent.on('error', (error: NodeJS.ErrnoException) => {
        if (answered) return;
        if (error.code === 'ECONNRESET' || error.code === 'EPIPE') resolve('stale');
        else reject(error);
      });
      sent.on('response', response => {
        answered = true;
        let text = '';
        response.setEncoding('utf8');
        response.on('data', chunk => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          resolve({ status: response.statusCode!, headers: response.headers, body: text });
        });
      });
      sent.end(body);
    });
  }

  #sendRaw(bytes: Buffer): Promise<FuzzAnswer> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      const socket = connect(this.#port, '127.0.0.1', () => void socket.end(bytes));
      const timer = setTimeout(() => {
        socket.destroy();
        reject(new Error('No answer in time.'));
      }, ANSWER_TIMEOUT_MS);
      socket.on('data', chunk => chunks.push(chunk));
      socket.on('error', () => {});
      socket.on('close', () => {
        clearTimeout(timer);
        resolve(parseAnswer(Buffer.concat(chunks).toString('utf8')));
      });
    });
  }
}

/** The first answer on a connection. */
function parseAnswer(text: string): FuzzAnswer {
  if (text === '') return NO_ANSWER;
  const end = text.indexOf('\r\n\r\n');
  const [line = '', ...rest] = text.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    rest.map(header => {
      const at = header.indexOf(':');
      return [header.slice(0, at).toLowerCase(), header.slice(at + 1).trim()];
    }),
  );
  const length = Number(headers['content-length'] ?? 0);
  const body = Buffer.from(text.slice(end + 4))
    .subarray(0, length)
    .toString('utf8');
  return { status: Number(line.split(' ')[1]), headers, body };
}
