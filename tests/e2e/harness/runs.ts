import type { EventEnvelope, Repo, Run } from '@holdfast/protocol';

const FOLLOW_TIMEOUT_MS = 120_000;

/** What the pages of the console's Admin send, which a server's link gives once. */
export async function signIn(server: { url: string; adminToken: string }): Promise<PageHeaders> {
  const link = `${server.url}/auth/local?token=${server.adminToken}`;
  const answer = await fetch(link, { redirect: 'manual' });
  return {
    cookie: answer.headers.getSetCookie()[0]!.split(';')[0]!,
    origin: new URL(server.url).origin,
    'x-holdfast-page': answer.headers.get('location')!.split('#page=')[1]!,
  };
}

export type PageHeaders = Record<'cookie' | 'origin' | 'x-holdfast-page', string>;

/** The API of agent runs as a plain client uses it. */
export class RunsApi {
  readonly #url: string;
  readonly #headers: Record<string, string>;

  /** `headers`: credentials; default: the local user's. */
  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#url = url;
    this.#headers = { ...headers };
  }

  request(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...this.#headers, ...(init.headers as Record<string, string>) };
    return fetch(`${this.#url}${path}`, { ...init, headers });
  }

  async get<T>(path: string): Promise<T> {
    return read<T>(await this.request(path));
  }

  post<T = { id: string }>(path: string, body: object = {}): Promise<T> {
    return this.#send<T>('POST', path, body);
  }

  put<T = { id: string }>(path: string, body: object): Promise<T> {
    return this.#send<T>('PUT', path, body);
  }

  async #send<T>(method: string, path: string, body: object): Promise<T> {
    const headers = { 'content-type': 'application/json' };
    return read<T>(await this.request(path, { method, headers, body: JSON.stringify(body) }));
  }

  async sample(): Promise<Repo> {
    const { data } = await this.get<{ data: Repo[] }>('/v1/repos');
    const found = data.find(({ name }) => name === 'sample');
    if (found === undefined) throw new Error('there is no sample repository');
    return found;
  }

  async addRepository(path: string): Promise<Repo> {
    return this.post<Repo>('/v1/repos', { path, name: 'scratch' });
  }

  async start(taskId: string, agents: string[]): Promise<{ id: string; status: string }[]> {
    type Started = { runs: { id: string; status: string }[] };
    return (await this.post<Started>(`/v1/tasks/${taskId}/runs`, { agents })).runs;
  }

  /** One run of the built-in agent on a new task. */
  async working(instruction: string, repo?: Repo): Promise<Run> {
    const { id: repo_id } = repo ?? (await this.sample());
    const task = await this.post('/v1/tasks', { repo_id, title: 'A task', instruction });
    const [started] = await this.start(task.id, ['builtin']);
    return this.run(started!.id);
  }

  run(id: string): Promise<Run> {
    return this.get<Run>(`/v1/runs/${id}`);
  }

  async patch(id: string): Promise<string> {
    const response = await this.request(`/v1/runs/${id}/patch`);
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return response.text();
  }

  /** All events of the stream, to its end. */
  follow(id: string, timeoutMs = FOLLOW_TIMEOUT_MS): Promise<EventEnvelope[]> {
    return this.#read(id, () => false, timeoutMs);
  }

  /** The events of the stream until one of that type. */
  until(id: string, type: string): Promise<EventEnvelope[]> {
    return this.#read(id, event => event.type === type);
  }

  async #read(
    id: string,
    enough: (event: EventEnvelope) => boolean,
    timeoutMs = FOLLOW_TIMEOUT_MS,
  ): Promise<EventEnvelope[]> {
    const cut = AbortSignal.timeout(timeoutMs);
    const response = await this.request(`/v1/runs/${id}/stream`, { signal: cut });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    const events: EventEnvelope[] = [];
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data === undefined) continue;
        events.push(JSON.parse(data) as EventEnvelope);
        if (enough(events.at(-1)!)) return events;
      }
    }
    return events;
  }
}

async function read<T>(response: Response): Promise<T> {
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}
