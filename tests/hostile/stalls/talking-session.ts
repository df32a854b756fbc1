import { once } from 'node:events';
import { WebSocket } from 'ws';

const FRAME_MS = 20;
/** 20 ms of silence at 24 kHz. */
const APPEND = JSON.stringify({
  type: 'input_audio_buffer.append',
  audio: Buffer.alloc(960).toString('base64'),
});
/** Every so many frames the model is asked to answer. */
const ASK_FRAMES = 10;
const ASK = JSON.stringify({ type: 'input_audio_buffer.clear' });
const ANSWER = '"input_audio_buffer.cleared"';
const ANSWER_MAX_MS = 60_000;

/** A voice session that talks all the time; each of its questions must be answered. */
export class TalkingSession {
  readonly #socket: WebSocket;
  readonly #timer: NodeJS.Timeout;
  #frames = 0;
  #asked = 0;
  #answered = 0;
  #closed: number | null = null;
  /** From each question to its answer, in order. */
  readonly delaysMs: number[] = [];
  readonly #askedAtMs: number[] = [];

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', data => {
      if (!String(data).includes(ANSWER)) return;
      this.delaysMs.push(performance.now() - this.#askedAtMs[this.#answered]!);
      this.#answered++;
    });
    socket.on('close', code => {
      this.#closed = code;
    });
    this.#timer = setInterval(() => {
      socket.send(APPEND);
      this.#frames++;
      if (this.#frames % ASK_FRAMES !== 0) return;
      socket.send(ASK);
      this.#askedAtMs.push(performance.now());
      this.#asked++;
    }, FRAME_MS);
  }

  static async open(
    url: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<TalkingSession> {
    const address = `${url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`;
    const socket = new WebSocket(address, ['realtime'], { headers });
    await once(socket, 'message');
    return new TalkingSession(socket);
  }

  /** Stops talking; throws unless it was open to the end and every question was answered. */
  async end(): Promise<number> {
    clearInterval(this.#timer);
    const deadlineMs = performance.now() + ANSWER_MAX_MS;
    while (this.#answered < this.#asked && performance.now() < deadlineMs) {
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    if (this.#closed !== null) throw new Error(`the session was closed with ${this.#closed}`);
    if (this.#answered !== this.#asked) {
      throw new Error(`${this.#asked} questions, ${this.#answered} answers`);
    }
    this.#socket.close(1000);
    return this.#answered;
  }
}
