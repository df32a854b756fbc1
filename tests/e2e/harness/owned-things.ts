import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import type { Principal } from '../../../packages/server/src/auth/index.ts';
import type { WalkThing } from '../../../packages/server/src/auth/testing/walk.ts';
import type { RouteInfo } from '../../../packages/server/src/http/index.ts';
import { newId } from '../../../packages/server/src/kernel/index.ts';
import { isRunThing, makeRunThing, type RunThing, type ThingsDeps } from './run-things.ts';
import { offerCall } from './webrtc.ts';

/** A WAV of three seconds, 24 kHz, one channel. */
export const WAV = fileURLToPath(
  new URL('../../../packages/server/src/recordings/fixtures/tone.wav', import.meta.url),
);

export const BOUNDARY = 'parts-of-a-recording';

/** The body of `POST /audio/upload`; the boundary is `BOUNDARY`. */
export async function uploadBody(change: Record<string, unknown> = {}): Promise<Buffer> {
  const metadata = {
    audio_type: 'user_speech',
    format: 'wav',
    duration: 3,
    timestamp_start: '2026-11-22T10:00:00Z',
    timestamp_end: '2026-11-22T10:00:03Z',
    ...change,
  };
  const text =
    `--${BOUNDARY}\r\ncontent-disposition: form-data; name="metadata"\r\n\r\n` +
    `${JSON.stringify(metadata)}\r\n--${BOUNDARY}\r\n` +
    'content-disposition: form-data; name="audio_file"; filename="a.wav"\r\n' +
    'content-type: audio/wav\r\n\r\n';
  return Buffer.concat([
    Buffer.from(text),
    await readFile(WAV),
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ]);
}

export const UPLOAD_TYPE = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };

type Kind =
  | ('session' | 'upload' | 'recording' | 'call' | 'key' | 'budget' | 'provider_key')
  | RunThing;

/** By how its path begins. */
const KINDS: Readonly<Record<string, Kind>> = {
  '/v1/api-keys/:': 'key',
  '/v1/budgets/:': 'budget',
  '/v1/provider-keys/:': 'provider_key',
  '/v1/recordings/:': 'recording',
  '/v1/repos/:': 'repo',
  '/v1/tasks/:': 'task',
  '/v1/runs/:': 'run',
};

/** Which kind of thing a route is about; undefined for routes that are about none. */
function kindOf(url: string): Kind | undefined {
  if (url === '/audio/upload') return 'upload';
  if (url.startsWith('/model/')) return undefined;
  const start = Object.keys(KINDS).find(prefix => url.startsWith(prefix));
  if (start !== undefined) return KINDS[start];
  if (url.includes('/calls/:') || url.includes('call_id=:')) return 'call';
  return url.includes('/:') ? 'session' : undefined;
}

/**
 * Things of every kind, made through the API by their owner. One of a kind and
 * owner serves until a request changed it; then there is a new one.
 */
export class OwnedThings {
  readonly #deps: ThingsDeps;
  readonly #ids = new Map<string, string>();

  constructor(deps: ThingsDeps) {
    this.#deps = deps;
  }

  /** What a step of the walk is about. */
  async forRoute(route: RouteInfo, owner: Principal): Promise<WalkThing | undefined> {
    const kind = kindOf(route.url);
    if (kind === undefined) return undefined;
    const id = await this.of(kind, owner);
    return {
      params: { id, session_id: id },
      target: { projectId: owner.projectId, createdBy: owner.id },
      ...(kind === 'upload' && { headers: { 'session-id': id, ...UPLOAD_TYPE } }),
    };
  }

  /** The id of an untouched thing of that kind and owner. */
  async of(kind: Kind, owner: Principal): Promise<string> {
    const name = `${kind === 'upload' ? 'session' : kind} ${owner.id}`;
    const known = this.#ids.get(name);
    if (known !== undefined && (await this.#isUntouched(known))) return known;
    const id = await this.#make(kind, owner);
    this.#ids.set(name, id);
    return id;
  }

  async #isUntouched(id: string): Promise<boolean> {
    // Hanging up twice is no error, so one call serves for all.
    if (id.startsWith('rtc_')) return true;
    const { rows } = await sql`
      select from sessions where id = ${id} and state = 'created' and erased_at is null
      union all select from recordings where id = ${id} and state = 'complete'
      union all select from api_keys where id = ${id} and revoked_at is null
      union all select from budgets where id = ${id}
      union all select from provider_keys where id = ${id} and revoked_at is null
      union all select from repositories where id = ${id} and archived_at is null
      union all select from tasks where id = ${id}
      union all select from runs where id = ${id} and status = 'canceled'
    `.execute(this.#deps.database.db);
    return rows.length === 1;
  }

  #make(kind: Kind, owner: Principal): Promise<string> {
    if (kind === 'key') return this.#makeKey(owner);
    if (kind === 'budget') return this.#makeBudget(owner);
    if (kind === 'provider_key') return this.#makeProviderKey(owner);
    if (kind === 'call') return this.#makeCall(owner);
    if (isRunThing(kind)) return makeRunThing(this.#deps, kind, owner);
    return kind === 'recording' ? this.#makeRecording(owner) : this.#makeSession(owner);
  }

  async #makeSession(owner: Principal): Promise<string> {
    const { id } = await this.#post(owner, '/sessions', {});
    return String(id);
  }

  async #makeRecording(owner: Principal): Promise<string> {
    const headers = { 'session-id': await this.of('session', owner), ...UPLOAD_TYPE };
    const { audio_id } = await this.#post(owner, '/audio/upload', headers, await uploadBody());
    return String(audio_id);
  }

  async #makeKey(owner: Principal): Promise<string> {
    const wanted = { name: 'thing', role: 'Viewer' } as const;
    return (await this.#deps.auth.apiKeys.create(owner, wanted, 'things')).id;
  }

  /** As rows, because only Admins may make these, and here Developers shall own some too. */
  async #makeBudget({ id: owner, projectId }: Principal): Promise<string> {
    const id = newId('bdg');
    await sql`insert into budgets (id, project_id, scope, owner, limit_usd, created_by)
      values (${id}, ${projectId}, 'owner', ${id}, 1, ${owner})`.execute(this.#deps.database.db);
    return id;
  }

  async #makeProviderKey({ id: owner, projectId }: Principal): Promise<string> {
    const id = newId('pvk');
    await sql`insert into provider_keys (id, project_id, provider, name, hint, secret_key_id,
      secret_data, created_by)
      values (${id}, ${projectId}, ${id}, 'thing', 'hint', 'dk_none', '', ${owner})`.execute(
      this.#deps.database.db,
    );
    return id;
  }

  async #makeCall(owner: Principal): Promise<string> {
    const call = await offerCall();
    const answer = await this.#deps.app.inject({
      method: 'POST',
      url: '/v1/realtime/calls?model=gpt-realtime',
      headers: { ...this.#deps.headersOf.get(owner.id), 'content-type': 'application/sdp' },
      payload: call.sdp,
    });
    await call.close();
    if (answer.statusCode !== 201) throw new Error(`No call: ${answer.body}`);
    return String(answer.headers.location).split('/').at(-1)!;
  }

  async #post(
    owner: Principal,
    url: string,
    headers: Record<string, string>,
    payload?: Buffer,
  ): Promise<Record<string, unknown>> {
    const answer = await this.#deps.app.inject({
      method: 'POST',
      url,
      headers: { ...this.#deps.headersOf.get(owner.id), ...headers },
      ...(payload && { payload }),
    });
    if (answer.statusCode !== 201) throw new Error(`${url} answered ${answer.body}`);
    return answer.json();
  }
}
