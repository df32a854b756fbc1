import { afterEach, describe, expect, it, vi } from 'vitest';
import { RTCPeerConnection as WeriftPeer } from 'werift';
import { Http } from '../http.ts';
import { arrayAudio } from '../testing/audio.ts';
import { HASTY, sendProblem, startServer, type TestServer } from '../testing/server.ts';
import { VoiceSession } from './session.ts';
import { webRtcTransport } from './webrtc.ts';

/** A real WebRTC stack on both sides, on loopback; the far side is the model. */
const LOOPBACK = {
  iceServers: [],
  iceUseIpv6: false,
  iceAdditionalHostAddresses: ['127.0.0.1'],
};

let server: TestServer;
let session: VoiceSession;
const peers: WeriftPeer[] = [];
afterEach(async () => {
  await session.close();
  await Promise.all(peers.splice(0).map(peer => peer.close()));
  await server.close();
});

interface Far {
  channel: { send(data: string): void; close(): void };
  received: Record<string, unknown>[];
}

/** Answers offers as the server does; the model's end of the event channel comes with the call. */
async function startFar(): Promise<{ far: Promise<Far> }> {
  const { promise: far, resolve } = Promise.withResolvers<Far>();
  server = await startServer(async (asked, response) => {
    if (asked.url.endsWith('/hangup')) return void response.writeHead(200).end();
    const sdp = /(v=0[\s\S]*?)\r?\n------/.exec(asked.body.toString())?.[1] ?? '';
    const peer = new WeriftPeer(LOOPBACK);
    peers.push(peer);
    peer.onDataChannel.subscribe(channel => {
      const received: Record<string, unknown>[] = [];
      channel.onMessage.subscribe(data => received.push(JSON.parse(String(data))));
      resolve({ channel: channel as unknown as Far['channel'], received });
    });
    await peer.setRemoteDescription({ type: 'offer', sdp: `${sdp}\r\n` });
    await peer.setLocalDescription(await peer.createAnswer());
    response.writeHead(201, {
      'content-type': 'application/sdp',
      location: '/v1/realtime/calls/rtc_1',
      'holdfast-session': 'ses_9',
    });
    response.end(peer.localDescription?.sdp);
  });
  return { far };
}

async function connected(): Promise<Far> {
  const { far } = await startFar();
  makeSession();
  await session.start();
  return far;
}

function makeSession(options: { connectTimeoutMs?: number } = {}) {
  const audio = arrayAudio();
  session = new VoiceSession({
    audio: audio.devices,
    transport: webRtcTransport({
      http: new Http({ baseUrl: server.url, retry: HASTY }),
      model: 'gpt-realtime',
      clientSecret: async () => 'ek_7',
      createPeerConnection: () => {
        const peer = new WeriftPeer(LOOPBACK);
        peers.push(peer);
        return peer as unknown as RTCPeerConnection;
      },
      ...options,
    }),
  });
  return audio.state;
}

describe('VoiceSession over WebRTC', () => {
  it('offers a call with the secret, talks over the channel, and hangs up', async () => {
    await connected();
    const [offer] = server.asked;
    expect(offer).toMatchObject({ method: 'POST', url: '/v1/realtime/calls' });
    expect(offer?.headers.authorization).toBe('Bearer ek_7');
    expect(offer?.body.toString()).toContain('"model":"gpt-realtime"');
    expect(session.snapshot).toMatchObject({ state: 'listening', session: { id: 'ses_9' } });
    await session.close();
    await vi.waitFor(() =>
      expect(server.asked.at(-1)?.url).toBe('/v1/realtime/calls/rtc_1/hangup'),
    );
    expect(session.snapshot.closed).toMatchObject({ clean: true });
  });

  it("takes from the model's events when it sounds, and asks it to be silent", async () => {
    const far = await connected();
    const send = (event: object) => far.channel.send(JSON.stringify(event));
    const say = async (event: object, state: string) => {
      send(event);
      await vi.waitFor(() => expect(session.snapshot.state).toBe(state));
    };
    await say({ type: 'response.created', response: { id: 'r1' } }, 'thinking');
    await say({ type: 'output_audio_buffer.started', response_id: 'r1' }, 'speaking');
    session.interrupt();
    await vi.waitFor(() =>
      expect(far.received.map(event => event.type)).toEqual([
        'response.cancel',
        'output_audio_buffer.clear',
      ]),
    );
    await say({ type: 'output_audio_buffer.cleared', response_id: 'r1' }, 'thinking');
    await say({ type: 'response.done', response: { id: 'r1' } }, 'listening');
    expect(session.stats.framesSent).toBe(0);
  });

  it('fails with a reason when the other side leaves', async () => {
    const far = await connected();
    far.channel.close();
    await vi.waitFor(() => expect(session.snapshot.state).toBe('failed'), { timeout: 5000 });
    expect(session.snapshot.closed?.clean).toBe(false);
  });
});

describe('a call that cannot open', () => {
  it('reports why the server refused', async () => {
    server = await startServer((_, response) =>
      sendProblem(response, { status: 429, code: 'session_limit', detail: 'Five at most.' }),
    );
    makeSession();
    await expect(session.start()).rejects.toMatchObject({ code: 'session_limit' });
    expect(session.snapshot.problem).toMatchObject({
      message: 'Five at most.',
      requestId: 'req_1',
    });
  });

  it('gives up in time when no answer comes', async () => {
    server = await startServer(() => undefined);
    makeSession({ connectTimeoutMs: 300 });
    await expect(session.start()).rejects.toMatchObject({ code: 'network' });
    expect(session.snapshot.state).toBe('failed');
  });
});
