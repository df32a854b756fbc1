import type { InspectedServer } from '../inspected-server.ts';
import { UPLOAD_TYPE, uploadBody } from '../owned-things.ts';
import { signIn } from '../runs.ts';
import { offerCall } from '../webrtc.ts';
import { discoverRuns } from './known-runs.ts';
import type { Known } from './known-things.ts';

const SESSIONS = 40;
const RECORDINGS = 20;
const KEYS = 20;

/**
 * Makes things on the server for requests to find, through its front door. `folder` holds a git
 * repository.
 */
export async function discoverKnown(server: InspectedServer, folder: string): Promise<Known> {
  const admin = await signIn(server);
  const post = async (path: string, headers: Record<string, string>, body?: Buffer) => {
    const method = path === '/v1/budgets' ? 'PUT' : 'POST';
    const init = { method, headers: { ...admin, ...headers } };
    const answer = await fetch(
      server.url + path,
      body ? { ...init, body: new Uint8Array(body) } : init,
    );
    if (!answer.ok) throw new Error(`${path} answered ${await answer.text()}`);
    return (await answer.json()) as Record<string, string> & { client_secret?: { value: string } };
  };
  const sessions = [];
  let secret = '';
  for (let count = 0; count < SESSIONS; count++) {
    const made = await post('/sessions', {});
    sessions.push(made.id!);
    secret = made.client_secret!.value;
  }
  const recordings = [];
  let link = '';
  for (let count = 0; count < RECORDINGS; count++) {
    const headers = { 'session-id': sessions[count]!, ...UPLOAD_TYPE };
    const made = await post('/audio/upload', headers, await uploadBody());
    recordings.push(made.audio_id!);
    link = new URL(made.sas_url!).pathname + new URL(made.sas_url!).search;
  }
  const keys = [];
  for (let count = 0; count < KEYS; count++) {
    const body = Buffer.from(JSON.stringify({ name: `key ${count}` }));
    keys.push((await post('/v1/api-keys', { 'content-type': 'application/json' }, body)).id!);
  }
  const add = async (path: string, value: object) => {
    const body = Buffer.from(JSON.stringify(value));
    return (await post(path, { 'content-type': 'application/json' }, body)).id!;
  };
  const owner = 'user:absent';
  const budgets = [await add('/v1/budgets', { scope: 'owner', owner, limit_usd: 5 })];
  const key = { provider: 'azure', name: 'a key', key: 'k'.repeat(40) };
  const providerKeys = [await add('/v1/provider-keys', key)];
  const { sdp, id: call } = await placeCall(server);
  const { host } = new URL(server.url);
  const upload = await uploadBody();
  const runs = await discoverRuns(server, folder);
  const things = { ...runs, sessions, recordings, keys, budgets, providerKeys, call };
  return { host, ...things, sdp, upload, admin, secret, link };
}

async function placeCall(server: InspectedServer): Promise<{ sdp: string; id: string }> {
  const { sdp, close } = await offerCall();
  const init = { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: sdp };
  const answer = await fetch(`${server.url}/v1/realtime/calls?model=gpt-realtime`, init);
  await close();
  return { sdp, id: answer.headers.get('location')!.split('/').at(-1)! };
}
