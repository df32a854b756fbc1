import { SteadyClient } from '../../../packages/server/src/realtime/testing/steady-client.ts';
import { frameOf, judgeEvents, judgeFrames, numbersIn, type Verdict } from './judge.ts';

const FRAME_MS = 40;
/** Ends of a connection after which a client comes back. */
const RESUMED: ReadonlySet<number> = new Set([1006, 1012, 1013]);
const AWAY_MAX_MS = 30_000;
const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 2_000;
const JUDGED_WITHIN_MS = 60_000;

const delay = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

/** One session of somebody who speaks all the time, and comes back wherever a line is to be had. */
export class Speaker {
  readonly client: SteadyClient;
  /** For how long it was without a line, each time. */
  readonly gapsMs: number[] = [];
  /** Promises that were broken, in words. */
  readonly broken: string[] = [];
  #spoken: number[] = [];
  #number = 0;
  #isOver = false;
  readonly #speaking: NodeJS.Timeout;
  readonly #watching: Promise<void>;

  private constructor(client: SteadyClient) {
    this.client = client;
    client.send({
      type: 'session.update',
      session: { type: 'realtime', audio: { input: { turn_detection: null } } },
    });
    this.#speaking = setInterval(() => this.#speak(), FRAME_MS);
    this.#watching = this.#watch().catch((error: unknown) => void this.broken.push(String(error)));
  }

  static async open(url: () => string): Promise<Speaker> {
    return new Speaker(await SteadyClient.open(url));
  }

  ask(): void {
    this.client.send({ type: 'response.create' });
  }

  /** All that was said since the last time, as the model got it; and what was heard so far. */
  async judge(): Promise<Verdict> {
    const { client } = this;
    clearInterval(this.#speaking);
    const expected = this.#spoken;
    this.#spoken = [];
    const before = client.of('conversation.item.retrieved').length;
    const commits = client.of('input_audio_buffer.committed').length;
    client.send({ type: 'input_audio_buffer.commit' });
    await this.#until(() => client.of('input_audio_buffer.committed').length > commits);
    const { item_id } = client.of('input_audio_buffer.committed').at(-1)!;
    client.send({ type: 'conversation.item.retrieve', item_id });
    await this.#until(() => client.of('conversation.item.retrieved').length > before);
    const { item } = client.of('conversation.item.retrieved').at(-1) as {
      item: { content: { audio?: string }[] };
    };
    const sound = Buffer.from(item.content[0]?.audio ?? '', 'base64');
    const gone = client.resumptions.map(({ lost, withheld }) => lost + withheld);
    if (gone.some(count => count > 0)) this.broken.push(`told of losses: ${gone.join(', ')}`);
    return { ...judgeFrames(expected, numbersIn(sound)), ...judgeEvents(client.received) };
  }

  async close(): Promise<void> {
    this.#isOver = true;
    clearInterval(this.#speaking);
    this.client.close();
    await this.#watching;
  }

  #speak(): void {
    const audio = frameOf(this.#number).toString('base64');
    this.#spoken.push(this.#number);
    this.#number += 1;
    this.client.send({ type: 'input_audio_buffer.append', audio });
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      const { code, reason } = await this.client.closed;
      if (this.#isOver) return;
      const lostMs = performance.now();
      if (!RESUMED.has(code)) throw new Error(`closed with ${code} ${reason}`);
      await this.#comeBack(lostMs);
      this.gapsMs.push(performance.now() - lostMs);
    }
  }

  async #comeBack(sinceMs: number): Promise<void> {
    for (let pauseMs = PAUSE_MIN_MS; ; pauseMs = Math.min(PAUSE_MAX_MS, 2 * pauseMs)) {
      await delay(pauseMs * (0.5 + Math.random() / 2));
      try {
        return await this.client.comeBack();
      } catch (error) {
        if (performance.now() - sinceMs > AWAY_MAX_MS) throw error;
      }
    }
  }

  async #until(condition: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + JUDGED_WITHIN_MS;
    while (!condition()) {
      if (performance.now() > deadlineMs) throw new Error('The model did not answer in time.');
      await delay(20);
    }
  }
}
