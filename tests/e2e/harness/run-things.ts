import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { sql } from 'kysely';
import type { Auth, Principal } from '../../../packages/server/src/auth/index.ts';
import { newId } from '../../../packages/server/src/kernel/index.ts';
import type { BlobStore } from '../../../packages/server/src/platform/blobs/index.ts';
import type { Database } from '../../../packages/server/src/platform/database/index.ts';

export interface ThingsDeps {
  readonly app: FastifyInstance;
  readonly auth: Auth;
  readonly blobs: BlobStore;
  readonly database: Database;
  /** Host and credential of each principal that may own something, by its id. */
  readonly headersOf: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

const RUN_THINGS = ['repo', 'task', 'run'] as const;
export type RunThing = (typeof RUN_THINGS)[number];

export function isRunThing(kind: string): kind is RunThing {
  return (RUN_THINGS as readonly string[]).includes(kind);
}

/** A repository, a task on one, or a canceled run of one that left a patch; answers its id. */
export async function makeRunThing(
  deps: ThingsDeps,
  kind: RunThing,
  owner: Principal,
): Promise<string> {
  const repo = await makeRepository(deps, owner);
  if (kind === 'repo') return repo;
  const wanted = { repo_id: repo, title: 'A task', instruction: 'Do it.' };
  const task = String((await post(deps, owner, '/v1/tasks', wanted)).id);
  if (kind === 'task') return task;
  const { runs } = await post(deps, owner, `/v1/tasks/${task}/runs`, { agents: ['builtin'] });
  const run = (runs as { id: string }[])[0]!.id;
  await post(deps, owner, `/v1/runs/${run}/cancel`, {});
  await addPatch(deps, run);
  return run;
}

/** As a row: the front door would go and look whether it is there. */
async function makeRepository(
  { database }: ThingsDeps,
  { id: owner, projectId }: Principal,
): Promise<string> {
  const id = newId('rpo');
  await sql`insert into repositories (id, project_id, created_by, name, url)
    values (${id}, ${projectId}, ${owner}, 'app', 'https://git.invalid/app.git')`.execute(
    database.db,
  );
  return id;
}

/** As a worker would have left it. */
async function addPatch({ blobs, database }: ThingsDeps, run: string): Promise<void> {
  const id = newId('art');
  const key = `artifacts/${run}/${id}.patch`;
  const body = Readable.from([Buffer.from('patch')]);
  await blobs.put(key, body, { contentType: 'text/x-diff', maxBytes: 100 });
  await sql`insert into artifacts (id, run_id, kind, blob_key, content_type, size_bytes, sha256)
    values (${id}, ${run}, 'patch', ${key}, 'text/x-diff', 5, '')`.execute(database.db);
}

async function post(
  { app, headersOf }: ThingsDeps,
  owner: Principal,
  url: string,
  payload: object,
): Promise<Record<string, unknown>> {
  const headers = { ...headersOf.get(owner.id) };
  const answer = await app.inject({ method: 'POST', url, headers, payload });
  if (answer.statusCode >= 300) throw new Error(`${url} answered ${answer.body}`);
  return answer.json();
}
