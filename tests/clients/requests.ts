import { isDeepStrictEqual } from 'node:util';
import { connectClient } from '../../packages/server/src/realtime/testing/client.ts';
import type { RealtimeHost } from '../../packages/server/src/realtime/testing/host.ts';
import { SECTIONS } from '../../tools/docs/clients/sections.ts';
import type { RecordingProvider } from './provider.ts';
import { isObject, type Sample, samplesOf } from './samples.ts';

/**
 * Posts each parameter of a route once, alone, and looks at what came of it: what the provider was
 * sent, and for what mints also what was answered and how the session of its secret begins.
 */
type Json = Record<string, unknown>;

/** Values that are checked, and what a request cannot do without. */
const GIVEN: Readonly<Record<string, unknown>> = {
  'expires_after.seconds': 60,
  'client_secret.expires_after.seconds': 60,
  'client_secret.expires_at.seconds': 60,
  'session.model': 'gpt-realtime-mini',
  model: 'gpt-realtime-mini',
  sdp: 'v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n',
  status_code: 486,
  target_uri: 'tel:+15550123',
};
const MODEL = { session: { model: 'gpt-realtime' } };
const REQUIRED: Readonly<Record<string, Json>> = {
  calls: { sdp: 'v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n', ...MODEL },
  'translations/client_secrets': MODEL,
  'calls/{id}/refer': { target_uri: 'tel:+15550100' },
};
/** They have one value only, which is what holds without them. */
const ONE_VALUE = /anchor$|^type$|^modalities|^session\.type$/;

interface Came {
  readonly refused?: string;
  readonly warned?: boolean;
  /** What can be seen of the request on the other side. */
  readonly seen: Json;
}

/** Of all parameters, or only of each request without one. */
export async function requestVerdicts(
  host: RealtimeHost,
  provider: RecordingProvider,
  isWhole: boolean,
) {
  const verdicts = new Map<string, Map<string, string>>();
  for (const [route, places] of SECTIONS.requests.rows) {
    const ask = askerOf(route, host, provider);
    const samples = samplesOf(places, GIVEN, REQUIRED[route] ?? {}, []);
    const cell = new Map<string, string>();
    const bare = await ask(samples[0]!.value);
    for (const sample of isWhole ? samples : samples.slice(0, 1))
      cell.set(sample.path, verdictOf(sample, await ask(sample.value), bare));
    verdicts.set(route, cell);
  }
  return verdicts;
}

function verdictOf({ path, value }: Sample, came: Came, bare: Came): string {
  if (came.refused !== undefined) return `refused: ${came.refused}`;
  if (path === '') return 'passed';
  if (came.warned) return 'left out';
  if (isIn(value, came.seen) && !isDeepStrictEqual(came.seen, bare.seen)) return 'passed';
  if (!isDeepStrictEqual(came.seen, bare.seen)) return 'translated';
  if (isIn(value, came.seen)) return 'passed';
  return ONE_VALUE.test(path) ? 'configures nothing' : '';
}

/** Whether everything in `wanted` stands in `found`, at the same place. */
function isIn(wanted: unknown, found: unknown): boolean {
  if (!isObject(wanted)) return isDeepStrictEqual(wanted, found);
  return isObject(found) && Object.entries(wanted).every(([key, value]) => isIn(value, found[key]));
}

type Ask = (body: Json) => Promise<Came>;

function askerOf(route: string, host: RealtimeHost, provider: RecordingProvider): Ask {
  const post = async (path: string, body: BodyInit, type?: string) => {
    const response = await host.request(`/v1/realtime/${path}`, {
      method: 'POST',
      body,
      ...(type !== undefined && { headers: { 'content-type': type } }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    const answer = isJson ? (JSON.parse(text) as Json) : {};
    const { message } = (answer.error ?? {}) as { message?: string };
    return { response, answer, refused: response.ok ? undefined : (message ?? text) };
  };
  const postJson = (path: string, body: Json) =>
    post(path, JSON.stringify(body), 'application/json');
  let count = 0;
  const accepted = async () => {
    count += 1;
    const id = `rtc_of_the_matrix_${count}`;
    await postJson(`calls/${id}/accept`, { type: 'realtime', model: 'gpt-realtime' });
    return id;
  };
  if (route === 'calls') {
    return async ({ sdp, session }) => {
      const form = new FormData();
      form.set('sdp', new Blob([String(sdp)], { type: 'application/sdp' }));
      form.set('session', new Blob([JSON.stringify(session)], { type: 'application/json' }));
      const { response, refused } = await post('calls', form);
      if (refused !== undefined) return { refused, seen: {} };
      await postJson(`calls/${response.headers.get('location')?.split('/').at(-1)}/hangup`, {});
      return { seen: provider.bodies.get('calls') as Json };
    };
  }
  if (route.startsWith('calls/')) {
    const verb = route.split('/').at(-1)!;
    return async body => {
      count += 1;
      const id = verb === 'refer' ? await accepted() : `rtc_to_${verb}_${count}`;
      const { refused } = await postJson(`calls/${id}/${verb}`, body);
      if (verb !== 'reject') await postJson(`calls/${id}/hangup`, {});
      if (refused !== undefined) return { refused, seen: {} };
      return { seen: provider.bodies.get(verb) as Json };
    };
  }
  return async body => {
    const { answer, refused } = await postJson(route, body);
    if (refused !== undefined) return { refused, seen: {} };
    const { session, client_secret, holdfast, ...flat } = answer;
    const secret = (client_secret ?? answer) as { value: string; expires_at: number };
    const update = await firstUpdate(host, provider, { route, bearer: secret.value });
    const livesS = Math.round(secret.expires_at - Date.now() / 1000);
    const shown = (session ?? flat) as Json;
    const { id: _id, expires_at: _at, value: _value, ...own } = shown;
    const isShort = livesS <= 60;
    const after = isShort ? { expires_after: { seconds: 60 } } : {};
    return { warned: holdfast !== undefined, seen: { ...after, session: { ...own }, update } };
  };
}

/** What the provider is sent before the client says anything. */
async function firstUpdate(
  host: RealtimeHost,
  provider: RecordingProvider,
  { route, bearer }: { route: string; bearer: string },
): Promise<unknown> {
  const before = provider.sessions.length;
  const path = route.startsWith('translations') ? '/v1/realtime/translations' : '/v1/realtime';
  const client = await connectClient(host.wsUrl + path, { bearer });
  await client.event('holdfast.session');
  client.send({ type: 'session.close' });
  const upstream = provider.sessions[before]!;
  while (upstream.messages.length === 0) await new Promise(resolve => setTimeout(resolve, 2));
  client.socket.close(1000);
  await client.closed;
  const [first] = upstream.messages;
  return first?.type === 'session.update' ? first.session : {};
}
