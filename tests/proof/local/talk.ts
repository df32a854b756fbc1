/** A voice session that talks until it is closed, and the events of its log that it got. */
import { setTimeout as delay } from 'node:timers/promises';
import type { EventEnvelope } from '@holdfast/protocol';
import { WebSocket } from 'ws';
import type { Observations } from '../observations.ts';

const TALK_MS = 100;
const READ_MS = 400;
const ANSWER_TIMEOUT_MS = 5_000;
/** 20 ms of silence, as clients send it. */
const AUDIO = JSON.stringify({
  type: 'input_audio_buffer.append',
  audio: Buffer.alloc(960).toString('base64'),
});

export class Talk {
  readonly id: string;
  /** What the API has shown of its log: that must never be different again. */
  readonly ledger: EventEnvelope[] = [];
  /** Messages of the model. */
  replies = 0;
  readonly #socket: WebSocket;
  readonly #timer: NodeJS.Timeout;
  #facts = 0;

  private constructor(id: string, socket: WebSocket, observations: Observations) {
    this.id = id;
    this.#socket = socket;
    socket.on('message', () => {
      this.replies += 1;
      observations.tell('session:reply');
    });
    this.#timer = setInterval(() => this.#say(), TALK_MS);
  }

  static async open(url: string, observations: Observations): Promise<Talk> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    socket.on('error', reject);
    socket.on('close', code => reject(new Error(`the session was closed with ${code}`)));
    socket.on('message', text => {
      const event = JSON.parse(String(text)) as { type: string; session?: { id: string } };
      if (event.type === 'holdfast.session') resolve(event.session!.id);
    });
    return new Talk(await promise, socket, observations);
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Reads its log again and again until the signal; the API may be away meanwhile. */
  async watch(url: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const shown = await readLog(url, this.id).catch(() => []);
      if (shown.length > this.ledger.length) this.ledger.push(...shown.slice(this.ledger.length));
      await delay(READ_MS, undefined, { signal }).catch(() => {});
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#socket.terminate();
  }

  #say(): void {
    if (!this.isOpen) return;
    this.#socket.send(AUDIO);
    this.#facts += 1;
    // Something for the log, and for the model to answer.
    const output = JSON.stringify({ measured: this.#facts });
    const item = { type: 'function_call_output', call_id: `call_${this.#facts}`, output };
    if (this.#facts % 5 === 1) {
      this.#socket.send(JSON.stringify({ type: 'conversation.item.create', item }));
    }
  }
}

/** The first page, which is what the ledger holds. */
export async function readLog(url: string, sessionId: string): Promise<EventEnvelope[]> {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  const answer = await fetch(`${url}/v1/sessions/${sessionId}/events`, { signal });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { data: EventEnvelope[] }).data;
}
