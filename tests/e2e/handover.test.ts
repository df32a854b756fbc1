import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Session } from '@holdfast/protocol';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SteadyClient } from '../../packages/server/src/realtime/testing/steady-client.ts';
import { createCertificate } from '../../tools/services/certificate.ts';
import {
  type Server,
  type Stack,
  startServer,
  startStack,
  UPSTREAM_KEY,
} from './harness/stacks.ts';

const WAIT = { timeout: 30_000 };
const UNHEARD = { type: 'realtime', audio: { input: { turn_detection: null } } };

/** Sound of which every piece differs, and the digest of all that was made. */
function numberedSound() {
  const digest = createHash('sha256');
  let count = 0;
  return {
    next() {
      const audio = Buffer.alloc(960, count);
      count += 1;
      digest.update(audio);
      return { type: 'input_audio_buffer.append', audio: audio.toString('base64') };
    },
    get count() {
      return count;
    },
    digest: () => digest.digest('hex'),
  };
}

/** What the upstream heard that a session has now. */
async function heard(stack: Stack, server: Server, id: string): Promise<string | undefined> {
  const session = (await (await fetch(`${server.url}/v1/sessions/${id}`)).json()) as Session & {
    upstream_session_id: string;
  };
  const answer = await fetch(`${stack.simulatorUrl}/_simulator/sessions`);
  const { data } = (await answer.json()) as { data: { id: string; audio_sha256: string }[] };
  return data.find(({ id }) => id === session.upstream_session_id)?.audio_sha256;
}

describe('a server that is replaced while people talk', () => {
  let stack: Stack;
  let dir: string;
  let tls: Record<string, string>;
  let ca: string;
  beforeAll(async () => {
    stack = await startStack('production');
    dir = await mkdtemp(join(tmpdir(), 'holdfast-tls-'));
    const { certPem, keyPem } = await createCertificate();
    ca = certPem;
    tls = {
      HOLDFAST_TLS_CERT: join(dir, 'cert.pem'),
      HOLDFAST_TLS_KEY: join(dir, 'key.pem'),
      HOLDFAST_SHUTDOWN_ACCEPT: '0',
    };
    await writeFile(tls.HOLDFAST_TLS_CERT!, certPem);
    await writeFile(tls.HOLDFAST_TLS_KEY!, keyPem);
  });
  afterAll(async () => {
    await stack.stop();
    await rm(dir, { recursive: true });
  });

  it('loses nothing of what the stock client says in mid-sentence', async () => {
    const before = await stack.addServer(tls);
    const after = await stack.addServer(tls);
    let server = before;
    let handle: string | null = null;
    const events: { type: string; session?: { id: string; resume_token: string } }[] = [];
    const client = new OpenAIRealtimeWS(
      {
        model: 'gpt-realtime',
        reconnect: true,
        reconnectInitialDelay: 200,
        maxQueueBytes: 1 << 20,
        buildRealtimeURL: (_client, { model }) => {
          const url = new URL('/v1/realtime', server.url.replace('http', 'ws'));
          url.searchParams.set('model', String(model));
          if (handle !== null) url.searchParams.set('resume', handle);
          return url;
        },
        options: { ca },
      },
      new OpenAI({ apiKey: 'sk-whatever', baseURL: `${before.url}/v1` }),
    );
    const errors: unknown[] = [];
    client.on('error', error => errors.push(error));
    client.on('event', event => {
      const ours = event as unknown as (typeof events)[0];
      events.push(ours);
      if (ours.type === 'holdfast.session') handle = ours.session!.resume_token;
    });
    client.on('reconnected', () => client.flushPending());
    const send = (event: object) => client.send(event as never);
    const types = () => events.map(({ type }) => type);
    await expect.poll(types, WAIT).toContain('holdfast.session');
    const { id } = events.find(({ type }) => type === 'holdfast.session')!.session!;
    send({ type: 'session.update', session: UNHEARD });
    const sound = numberedSound();
    const speaking = setInterval(() => send(sound.next()), 20);
    await expect.poll(() => sound.count, WAIT).toBeGreaterThan(50);
    server = after;
    const exit = before.process.stop();
    const lines = () => events.filter(({ type }) => type === 'holdfast.session').length;
    await expect.poll(lines, WAIT).toBe(2);
    const heardSince = sound.count;
    await expect.poll(() => sound.count, WAIT).toBeGreaterThan(heardSince + 50);
    clearInterval(speaking);
    send({ type: 'input_audio_buffer.commit' });
    await expect.poll(types, WAIT).toContain('input_audio_buffer.committed');
    expect(await heard(stack, stack.servers[0]!, id)).toBe(sound.digest());
    expect(errors).toEqual([]);
    expect(await exit).toBe(0);
    client.close();
  });
});

it('a server that is stopped and started again on one machine goes on', async () => {
  const stack = await startStack('embedded');
  try {
    let [server] = stack.servers as [Server];
    const client = await SteadyClient.open(
      () => `${server.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`,
    );
    client.send({ type: 'session.update', session: UNHEARD });
    const sound = numberedSound();
    const speaking = setInterval(() => client.send(sound.next()), 20);
    await expect.poll(() => sound.count, WAIT).toBeGreaterThan(20);
    await server.process.stop();
    expect(await client.closed).toMatchObject({ code: 1012 });
    server = await startServer({
      OPENAI_BASE_URL: `${stack.simulatorUrl}/v1`,
      OPENAI_API_KEY: UPSTREAM_KEY,
      HOLDFAST_DATA_DIR: server.dataDir,
    });
    try {
      await client.comeBack();
      expect(client.resumptions).toMatchObject([{ lost: 0, withheld: 0 }]);
      const since = sound.count;
      await expect.poll(() => sound.count, WAIT).toBeGreaterThan(since + 20);
      clearInterval(speaking);
      client.send({ type: 'input_audio_buffer.commit' });
      await expect
        .poll(() => client.of('input_audio_buffer.committed').length, WAIT)
        .toBeGreaterThan(0);
      expect(await heard(stack, server, client.id)).toBe(sound.digest());
      client.close();
    } finally {
      clearInterval(speaking);
      await server.process.stop();
    }
  } finally {
    await stack.stop();
  }
});
