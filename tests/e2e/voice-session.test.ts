import { once } from 'node:events';
import type { EventEnvelope, Session } from '@holdfast/protocol';
import { beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { forEachStack, type Stack, UPSTREAM_KEY } from './harness/stacks.ts';

interface ServerEvent {
  type: string;
  [key: string]: unknown;
}

/** A plain WebSocket that collects events by type. */
class Talk {
  readonly socket: WebSocket;
  readonly events: ServerEvent[] = [];

  constructor(url: string) {
    this.socket = new WebSocket(url.replace('http', 'ws'), ['realtime']);
    this.socket.on('message', data => this.events.push(JSON.parse(String(data)) as ServerEvent));
  }

  send(event: Record<string, unknown>): void {
    this.socket.send(JSON.stringify(event));
  }

  async until(type: string): Promise<ServerEvent> {
    await expect
      .poll(() => this.events.map(event => event.type), { timeout: 15_000 })
      .toContain(type);
    return this.events.find(event => event.type === type)!;
  }

  async close(code: number): Promise<void> {
    const closed = once(this.socket, 'close');
    this.socket.close(code);
    await closed;
  }
}

forEachStack((_name, start) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await start();
  });

  const get = async <T>(path: string, server = stack.servers[0]!) =>
    (await (await fetch(`${server.url}${path}`)).json()) as T;

  it('carries a conversation, lists it, and shows its log on every replica', async () => {
    const talk = new Talk(`${stack.url}/v1/realtime?model=gpt-realtime`);
    const created = await talk.until('session.created');
    const ours = (await talk.until('holdfast.session')) as {
      session?: { id: string };
    } & ServerEvent;
    expect(talk.events.indexOf(created)).toBeLessThan(talk.events.indexOf(ours));
    const id = ours.session!.id;
    const content = [{ type: 'input_text', text: 'a secret sentence' }];
    talk.send({
      type: 'conversation.item.create',
      item: { type: 'message', role: 'user', content },
    });
    talk.send({ type: 'response.create' });
    await talk.until('response.done');
    await talk.close(1000);
    for (const server of stack.servers) {
      const ended = () => get<Session>(`/v1/sessions/${id}`, server).then(session => session.state);
      await expect.poll(ended).toBe('ended');
      const { data } = await get<{ data: EventEnvelope[] }>(`/v1/sessions/${id}/events`, server);
      expect(data.map(({ seq }) => seq)).toEqual(data.map((_, index) => index + 1));
      const types = data.map(({ type }) => type);
      expect(types).toContain('transcript.assistant');
      expect(types.at(-1)).toBe('session.ended');
      const list = await get<{ data: Session[] }>('/v1/sessions', server);
      expect(list.data.map(session => session.id)).toContain(id);
    }
    expect((await get<Session>(`/v1/sessions/${id}`)).usage.total_tokens).toBeGreaterThan(0);
  });

  it('never shows the provider’s key', async () => {
    const seen = await Promise.all(
      ['/v1/models', '/health', '/metrics', '/v1/console', '/v1/sessions'].map(async path =>
        (await fetch(`${stack.url}${path}`)).text(),
      ),
    );
    const logs = stack.servers.flatMap(server => server.process.lines);
    expect([...seen, ...logs].join('\n')).not.toContain(UPSTREAM_KEY);
  });

  it('lets sessions be ended from the other side of the deployment', async () => {
    const talk = new Talk(`${stack.url}/v1/realtime?model=gpt-realtime`);
    const ours = (await talk.until('holdfast.session')) as unknown as { session: { id: string } };
    const closed = once(talk.socket, 'close');
    const other = stack.servers.at(-1)!;
    const answer = await fetch(`${other.url}/v1/sessions/${ours.session.id}/end`, {
      method: 'POST',
    });
    expect(answer.status).toBe(200);
    const [code] = (await closed) as [number];
    expect(code).toBe(1000);
    expect((await get<Session>(`/v1/sessions/${ours.session.id}`)).state).toBe('ended');
  });

  it('admits five at once and refuses the sixth with 429, whichever replica it asks', async () => {
    const urls = Array.from({ length: 8 }, (_, n) => stack.servers[n % stack.servers.length]!.url);
    const talks = urls.map(url => new Talk(`${url}/v1/realtime?model=gpt-realtime`));
    const outcomes = await Promise.all(
      talks.map(
        talk =>
          new Promise<number>(resolve => {
            talk.socket.once('open', () => resolve(101));
            talk.socket.once('unexpected-response', (_request, response) => {
              expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
              resolve(response.statusCode!);
            });
            talk.socket.once('error', () => {});
          }),
      ),
    );
    expect(outcomes.filter(status => status === 101)).toHaveLength(5);
    expect(outcomes.filter(status => status === 429)).toHaveLength(3);
    const open = talks.filter((_, index) => outcomes[index] === 101);
    await Promise.all(open.map(talk => talk.until('holdfast.session')));
    await Promise.all(open.map(talk => talk.close(1000)));
    const active = () =>
      get<{ data: Session[] }>('/v1/sessions?active=true').then(({ data }) => data);
    await expect.poll(active).toHaveLength(0);
  });
});
