import type { NewRepo, Repo, repoPatch } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { z } from 'zod';
import { authorize } from '../../auth/index.ts';
import { HoldfastError, newId } from '../../kernel/index.ts';
import { type Caller, cursorId, type Page, pageOf, withIdempotency } from '../../work/index.ts';
import { type AccessDeps, accessRepository } from '../access.ts';
import { presentRepo } from '../present.ts';
import * as queries from '../queries.ts';
import { type RepositoryRow, tables } from '../tables.ts';
import type { Workspaces } from '../workspace/workspace.ts';
import {
  checkRepositoryPath,
  checkRepositoryUrl,
  defaultName,
  type SourceChecks,
} from './repository-source.ts';

export type RepoPatch = z.infer<typeof repoPatch>;

/** The verbs on repositories. They belong to the project: every Developer may change them. */
export interface Repos {
  create(caller: Caller, repo: NewRepo): Promise<Repo>;
  list(caller: Caller, query: { cursor?: string | undefined; limit: number }): Promise<Page<Repo>>;
  get(caller: Caller, id: string): Promise<Repo>;
  update(caller: Caller, id: string, patch: RepoPatch): Promise<Repo>;
  /** Takes it off the list; its tasks stay readable and nothing new is started on it. */
  archive(caller: Caller, id: string): Promise<void>;
}

export interface ReposDeps extends AccessDeps {
  readonly sources: SourceChecks;
  /** Reaches the repository before it is stored; left out: it is taken as it is. */
  readonly inspect?: Workspaces['inspect'] | undefined;
}

export function createRepos(deps: ReposDeps): Repos {
  const { database } = deps;
  return {
    create: (caller, repo) => create(deps, caller, repo),
    async list({ principal }, { cursor, limit }) {
      const rows = await queries.listRepositories(database.db, {
        projectId: principal.projectId,
        before: cursorId('rpo', cursor),
        limit: limit + 1,
      });
      return pageOf(rows, limit, presentRepo);
    },
    get: async (caller, id) => presentRepo(await accessRepository(deps, caller, id, 'runs.read')),
    async update(caller, id, patch) {
      const row = await accessRepository(deps, caller, id, 'repos.write');
      if (Object.keys(patch).length === 0) return presentRepo(row);
      await checkBranch(deps, row, patch.default_branch);
      const changed = await tables(database.db)
        .updateTable('repositories')
        .set(patch)
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirstOrThrow();
      return presentRepo(changed);
    },
    async archive(caller, id) {
      await accessRepository(deps, caller, id, 'repos.write');
      await tables(database.db)
        .updateTable('repositories')
        .set({ archived_at: sql<Date>`coalesce(archived_at, now())` })
        .where('id', '=', id)
        .execute();
    },
  };
}

async function create(deps: ReposDeps, caller: Caller, repo: NewRepo): Promise<Repo> {
  authorize('repos.write', caller.principal);
  const id = newId('rpo');
  const { answer } = await withIdempotency(deps.database, caller.idempotency, {
    status: 201,
    prepare: () => checkSource(deps, id, repo),
    async work(trx, source) {
      const row = await tables(trx)
        .insertInto('repositories')
        .values({
          id,
          project_id: caller.principal.projectId,
          created_by: caller.principal.id,
          name: repo.name ?? defaultName(source.url ?? source.path ?? ''),
          url: source.url,
          path: source.path,
          default_branch: source.defaultBranch,
          test_command: repo.test_command ?? null,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      return presentRepo(row);
    },
  });
  return answer;
}

async function checkSource(deps: ReposDeps, id: string, repo: NewRepo) {
  if ((repo.url === undefined) === (repo.path === undefined)) {
    throw new HoldfastError('invalid_request', 'Give one of url and path.', { field: 'url' });
  }
  const { sources } = deps;
  const url = repo.url === undefined ? null : await checkRepositoryUrl(repo.url, sources);
  const path = repo.path === undefined ? null : await checkRepositoryPath(repo.path, sources);
  const defaultBranch = repo.default_branch ?? null;
  if (deps.inspect === undefined) return { url, path, defaultBranch };
  const inspected = await deps.inspect({ id, url, path, defaultBranch });
  return { url, path, defaultBranch: inspected.defaultBranch };
}

/** A branch that the repository lacks would fail every run on it. */
async function checkBranch(
  deps: ReposDeps,
  { id, url, path }: RepositoryRow,
  defaultBranch: string | null | undefined,
): Promise<void> {
  if (defaultBranch != null) await deps.inspect?.({ id, url, path, defaultBranch });
}
