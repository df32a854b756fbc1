import { writeFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixedLimits } from '../../packages/server/src/auth/testing/index.ts';
import type { Database } from '../../packages/server/src/platform/database/index.ts';
import { openTestDatabase } from '../../packages/server/src/platform/database/testing.ts';
import {
  type ConnectOptions,
  connectClient,
  eventually,
  type TestClient,
} from '../../packages/server/src/realtime/testing/client.ts';
import {
  openRealtimeHost,
  type RealtimeHost,
} from '../../packages/server/src/realtime/testing/host.ts';
import type { Places } from '../../tools/docs/client-events.ts';
import { byVerdict, CELLS_FILE, type Cells, readCells } from '../../tools/docs/clients/cells.ts';
import { parametersOf, SECTIONS, type SectionName } from '../../tools/docs/clients/sections.ts';
import {
  type RecordedSession,
  type RecordingProvider,
  startRecordingProvider,
} from './provider.ts';
import { requestVerdicts } from './requests.ts';
import { samplesOf } from './samples.ts';

/**
 * Every event and every parameter that the typings of stock clients name goes once through a real
 * server, and what came out on the other side is compared with `cells.json`. A parameter that has
 * no visible effect, and of which nobody is told, has no cell, and fails.
 */
type Json = Record<string, unknown>;

let database: Database;
let provider: RecordingProvider;
let host: RealtimeHost;
const observed: Cells = {};
beforeAll(async () => {
  [database, provider] = await Promise.all([openTestDatabase(), startRecordingProvider()]);
  host = await openRealtimeHost(database, {
    upstreamUrl: provider.url,
    limits: fixedLimits({ maxSessions: 1_000 }),
  });
});
afterAll(async () => {
  await host.close();
  await provider.close();
  await database.close();
  const isWhole = Object.keys(observed).length === Object.keys(SECTIONS).length;
  if (process.env.CLIENTS_UPDATE === '1' && isWhole) {
    await writeFile(CELLS_FILE, `${JSON.stringify(observed, null, 1)}\n`);
  }
});

async function post(path: string, body: unknown) {
  const response = await host.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, answer: text === '' ? {} : (JSON.parse(text) as Json) };
}

async function secret(path: string, session: Json, locked: string[]): Promise<string> {
  const { status, answer } = await post(path, { session, holdfast: { locked } });
  expect(status, JSON.stringify(answer)).toBe(200);
  return String(answer.value);
}

interface Joined {
  readonly client: TestClient;
  readonly upstream: RecordedSession;
}

async function join(path: string, options: ConnectOptions = {}): Promise<Joined> {
  const before = provider.sessions.length;
  const client = await connectClient(host.wsUrl + path, options);
  await client.event('holdfast.session');
  return { client, upstream: provider.sessions[before]! };
}

/** An event with nothing in its object, to compare with: the object itself has effects. */
const bareId = (type: string, path: string) => `${type}#${path.split('.', 1)[0]}`;

function casesOf(rows: ReadonlyMap<string, Places>) {
  const cases = [...rows].flatMap(([type, places]) =>
    samplesOf(places).map(({ path, value }, index) => ({
      type,
      path,
      event: { ...value, type, event_id: `${type}#${index}` } as Json,
    })),
  );
  const nested = cases.filter(({ path }) => path.includes('.'));
  const bare = new Map(
    nested.map(({ type, path }) => {
      const [top = ''] = path.split('.', 1);
      const name = top.replace('[]', '');
      const event_id = bareId(type, path);
      return [event_id, { [name]: top.endsWith('[]') ? [{}] : {}, type, event_id } as Json];
    }),
  );
  return { cases, events: [...bare.values(), ...cases.map(({ event }) => event)] };
}

const byId = (event: Json, id: unknown) =>
  (event.error as Json | undefined)?.event_id === id ||
  (event.warning as Json | undefined)?.event_id === id;

/** What becomes of each parameter of what the client says. */
async function says(rows: ReadonlyMap<string, Places>, joined: Joined) {
  const { client, upstream } = joined;
  const { cases, events } = casesOf(rows);
  for (const event of events) client.send(event);
  const last = cases.at(-1)!.event.event_id;
  await eventually(
    () => upstream.received.has(String(last)) || client.events.some(event => byId(event, last)),
  );
  // What we say ourselves about an event comes before what the model says later.
  upstream.send({ type: 'input_audio_buffer.cleared', event_id: 'end' });
  await eventually(() => client.events.some(event => event.event_id === 'end'));
  const verdicts = new Map<string, Map<string, string>>();
  for (const { type, path, event } of cases) {
    const id = String(event.event_id);
    const sent = upstream.received.get(id);
    const told = client.events.find(one => byId(one, id));
    const before = upstream.received.get(path.includes('.') ? bareId(type, path) : `${type}#0`);
    const verdict = verdictOf({ event, sent, told, before, path });
    verdicts.set(type, (verdicts.get(type) ?? new Map()).set(path, verdict));
  }
  client.socket.close(1000);
  return verdicts;
}

/** What clients send back as they got it, and what no session is configured with. */
const ECHOED = /^session\.(client_secret\.|modalities)/;

function verdictOf(seen: {
  event: Json;
  sent: Json | undefined;
  told: Json | undefined;
  before: Json | undefined;
  path: string;
}): string {
  const { event, sent, told, before, path } = seen;
  if (sent === undefined) {
    const error = told?.error as { message: string } | undefined;
    return error === undefined ? '' : `refused: ${generalized(error.message, path)}`;
  }
  if (isDeepStrictEqual(sent, event)) return 'passed';
  if (told?.type === 'holdfast.warning') return 'left out';
  const { event_id: _one, ...own } = sent;
  const { event_id: _other, ...bare } = before ?? {};
  if (path === '' || !isDeepStrictEqual(own, bare)) return 'translated';
  return ECHOED.test(path) ? 'configures nothing' : '';
}

/** The same message for all parameters that are refused for the same reason. */
function generalized(message: string, path: string): string {
  const plain = path.replaceAll('[]', '');
  const parts = plain.split('.').map((_, at, all) => all.slice(0, all.length - at).join('.'));
  const named = parts.find(part => part !== '' && message.startsWith(`${part} `));
  return named === undefined ? message : `…${message.slice(named.length)}`;
}

/** What becomes of each parameter of what the model says; also the types that the client heard. */
async function hears(rows: ReadonlyMap<string, Places>, joined: Joined) {
  const { client, upstream } = joined;
  const { cases, events } = casesOf(rows);
  for (const event of events) upstream.send(event);
  upstream.send({ type: 'input_audio_buffer.cleared', event_id: 'end' });
  await eventually(() => client.events.some(event => event.event_id === 'end'));
  const heard = new Map(client.events.map(event => [String(event.event_id), event]));
  const verdicts = new Map<string, Map<string, string>>();
  for (const { type, path, event } of cases) {
    const got = heard.get(String(event.event_id));
    const before = heard.get(path.includes('.') ? bareId(type, path) : `${type}#0`);
    const verdict = heardAs({ event, got, before, path });
    verdicts.set(type, (verdicts.get(type) ?? new Map()).set(path, verdict));
  }
  client.socket.close(1000);
  return { verdicts, types: new Set([...heard.values()].map(event => String(event.type))) };
}

function heardAs(seen: {
  event: Json;
  got: Json | undefined;
  before: Json | undefined;
  path: string;
}): string {
  const { event, got, before, path } = seen;
  if (got === undefined) return 'not shown';
  if (isDeepStrictEqual(got, event)) return 'passed';
  const { event_id: _one, ...own } = got;
  const { event_id: _other, ...bare } = before ?? {};
  if (path === '') return 'translated';
  return isDeepStrictEqual(own, bare) ? 'left out' : 'translated';
}

function check(section: SectionName, column: string, verdicts: Map<string, Map<string, string>>) {
  const { rows } = SECTIONS[section];
  const known = process.env.CLIENTS_UPDATE === '1' ? undefined : readCells()[section];
  for (const [row, places] of rows) {
    const seen = verdicts.get(row) ?? new Map<string, string>();
    const empty = parametersOf(section, places).filter(path => (seen.get(path) ?? '') === '');
    expect(empty, `${row}: nothing is known of`).toEqual([]);
    const cell = byVerdict(seen);
    observed[section] ??= {};
    observed[section][row] ??= {};
    observed[section][row][column] = cell;
    if (known) expect(cell, `${section}, ${row}, ${column}`).toEqual(known[row]?.[column]);
  }
}

const MODEL = '/v1/realtime?model=gpt-realtime';
const TRANSCRIPTION = {
  type: 'transcription',
  audio: { input: { transcription: { model: 'gpt-4o-transcribe' } } },
};

describe('every event and parameter of the clients’ typings', () => {
  it('that a GA client says', async () => {
    check('says', 'as it is', await says(SECTIONS.says.rows, await join(MODEL)));
    const session = { type: 'realtime', instructions: 'Fixed.' };
    const bearer = await secret('/v1/realtime/client_secrets', session, ['instructions']);
    const locked = await join('/v1/realtime', { bearer });
    check('says', 'with locked instructions', await says(SECTIONS.says.rows, locked));
    const dictating = await secret('/v1/realtime/client_secrets', TRANSCRIPTION, ['model']);
    const transcribing = await join('/v1/realtime?intent=transcription', { bearer: dictating });
    check('says', 'in a locked transcription', await says(SECTIONS.says.rows, transcribing));
  });

  it('that a beta client says', async () => {
    const joined = await join(MODEL, { headers: { 'openai-beta': 'realtime=v1' } });
    check('saysBeta', 'as it is', await says(SECTIONS.saysBeta.rows, joined));
  });

  it('that the model says to either', async () => {
    const ga = await hears(SECTIONS.hears.rows, await join(MODEL));
    check('hears', 'GA', ga.verdicts);
    const headers = { 'openai-beta': 'realtime=v1' };
    const beta = await hears(SECTIONS.hears.rows, await join(MODEL, { headers }));
    check('hears', 'beta', beta.verdicts);
    const dictation = await join('/v1/realtime?intent=transcription', { headers });
    const session = { type: 'transcription' };
    dictation.upstream.send({ type: 'session.updated', event_id: 'e', session });
    beta.types.add(String((await dictation.client.event('transcription_session.updated')).type));
    const waited = [...SECTIONS.hearsBeta.rows].map(
      ([type, places]): [string, Map<string, string>] => {
        const verdict = beta.types.has(type) ? 'passed' : 'not sent';
        return [type, new Map(parametersOf('hearsBeta', places).map(path => [path, verdict]))];
      },
    );
    check('hearsBeta', 'beta', new Map(waited));
  });

  it('of translations', async () => {
    const path = '/v1/realtime/translations?model=gpt-realtime';
    check(
      'saysTranslation',
      'as it is',
      await says(SECTIONS.saysTranslation.rows, await join(path)),
    );
    const session = { model: 'gpt-realtime', audio: { output: { language: 'ja' } } };
    const mint = '/v1/realtime/translations/client_secrets';
    const bearer = await secret(mint, session, ['all']);
    const locked = await join('/v1/realtime/translations', { bearer });
    check(
      'saysTranslation',
      'with everything locked',
      await says(SECTIONS.saysTranslation.rows, locked),
    );
    const heard = await hears(SECTIONS.hearsTranslation.rows, await join(path));
    check('hearsTranslation', 'GA', heard.verdicts);
  });

  it('that is posted', async () => {
    // Every parameter is a request, and most a session too: half a minute.
    const isWhole = process.env.CLIENTS_ALL === '1';
    const verdicts = await requestVerdicts(host, provider, isWhole);
    if (isWhole) return check('requests', 'as it is', verdicts);
    for (const [route, cell] of verdicts) {
      const known = readCells().requests?.[route]?.['as it is'] ?? {};
      expect(known[cell.get('')!], route).toContain('');
    }
  });
});
