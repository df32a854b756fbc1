import { type ConnectOptions, connectClient, type TestClient } from './client.ts';

/** What `holdfast.session` says. */
export interface Introduction {
  readonly id: string;
  readonly replica: string;
  readonly resume_token: string;
  readonly resumed?: { input: number; output: number; lost: number; withheld: number };
}

export async function introduction(client: TestClient): Promise<Introduction> {
  return (await client.event('holdfast.session')).session as Introduction;
}

/**
 * A client that counts what it receives, keeps what it sends until it is taken, and comes back
 * when it is cut or sent away, as docs/guide/continuity.md tells.
 */
export class SteadyClient {
  readonly received: Record<string, unknown>[] = [];
  /** Each time it came back. */
  readonly resumptions: NonNullable<Introduction['resumed']>[] = [];
  /** How many of its messages it need not keep. */
  forgotten = 0;
  id = '';
  replica = '';
  readonly #sent: string[] = [];
  readonly #url: () => string;
  readonly #options: ConnectOptions;
  #handle = '';
  #count = 0;
  #now!: TestClient;

  private constructor(url: () => string, options: ConnectOptions) {
    this.#url = url;
    this.#options = options;
  }

  static async open(url: () => string, options: ConnectOptions = {}): Promise<SteadyClient> {
    const client = new SteadyClient(url, options);
    const line = await connectClient(`${url()}&acknowledge=true`, options);
    await client.#meet(line);
    client.#read(line, 0);
    return client;
  }

  send(event: Record<string, unknown>): void {
    this.#sent.push(JSON.stringify(event));
    if (this.#now.socket.readyState === 1) this.#now.socket.send(this.#sent.at(-1)!);
  }

  of(type: string): Record<string, unknown>[] {
    return this.received.filter(event => event.type === type);
  }

  /** How the present connection ended. */
  get closed(): TestClient['closed'] {
    return this.#now.closed;
  }

  /** Its line drops, and it comes back. */
  async cut(): Promise<void> {
    this.drop();
    await this.comeBack();
  }

  drop(): void {
    this.#now.socket.removeAllListeners('message');
    this.#now.socket.terminate();
  }

  async comeBack(): Promise<void> {
    const query = `&acknowledge=true&resume=${this.#handle}&received=${this.#count}`;
    const line = await connectClient(this.#url() + query, this.#options);
    const { resumed } = await this.#meet(line);
    this.resumptions.push(resumed!);
    this.#count = resumed!.output;
    // What came before the listener is among the events.
    this.#read(line, line.events.findIndex(({ type }) => type === 'holdfast.session') + 1);
    for (const text of this.#sent.slice(resumed!.input)) line.socket.send(text);
  }

  close(): void {
    this.#now.socket.close(1000);
  }

  async #meet(line: TestClient): Promise<Introduction> {
    const met = await introduction(line);
    this.#now = line;
    this.id = met.id;
    this.replica = met.replica;
    this.#handle = met.resume_token;
    return met;
  }

  #read(line: TestClient, from: number): void {
    const take = (event: Record<string, unknown>) => {
      this.#count += 1;
      this.received.push(event);
      if (event.type === 'holdfast.session.acknowledged') this.forgotten = Number(event.input);
    };
    for (const event of line.events.slice(from)) take(event);
    line.socket.on('message', data => take(JSON.parse(String(data))));
  }
}
