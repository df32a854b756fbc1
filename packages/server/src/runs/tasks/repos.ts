import type { NewRepo, Repo, repoPatch } from '@holdfast/protocol';
import type { z } from 'zod';
import { type AuditRecord, authorize } from '../../auth/index.ts';
import { HoldfastError, isId, newId } from '../../kernel/index.ts';
import type { Trx } from '../../platform/database/index.ts';
import {
  type Caller,
  cursorId,
  type Page,
  pageOf,
  targetOf,
  withIdempotency,
} from '../../work/index.ts';
import { type AccessDeps, accessRepository } from '../access.ts';
import { presentRepo } from '../present.ts';
import * as queries from '../queries.ts';
import type { RepositoryRow } from '../tables.ts';
import type { Workspaces } from '../workspace/workspace.ts';
import {
  checkRepositoryPath,
  checkRepositoryUrl,
  defaultName,
  type SourceChecks,
} from './repository-source.ts';
import * as store from './store.ts';

export type RepoPatch = z.infer<typeof repoPatch>;

interface ReposDeps extends AccessDeps {
  readonly sources: SourceChecks;
  /** Reaches the repository before it is stored; left out: no check. */
  readonly inspect?: Workspaces['inspect'] | undefined;
}

/**
 * The verbs on repositories. Every Developer of the project may add them and start runs on them.
 * What is set on one takes effect in other people's runs, so only its creator and Admins change it,
 * and each change is in the audit log.
 */
export class Repos {
  readonly #deps: ReposDeps;

  constructor(deps: ReposDeps) {
    this.#deps = deps;
  }

  async create(caller: Caller, repo: NewRepo): Promise<Repo> {
    const { principal } = caller;
    authorize('repos.write', principal);
    const id = newId('rpo');
    const { answer } = await withIdempotency(this.#deps.database, caller.idempotency, {
      status: 201,
      prepare: () => this.#checkSource(id, repo),
      work: async (trx, source) => {
        const row = await store.insertRepository(trx, {
          id,
          project_id: principal.projectId,
          created_by: principal.id,
          name: repo.name ?? defaultName(source.url ?? source.path ?? ''),
          url: source.url,
          path: source.path,
          default_branch: source.defaultBranch,
          test_command: repo.test_command ?? null,
        });
        await this.#record(caller, trx, { action: 'repos.create', target: id });
        return presentRepo(row);
      },
    });
    return answer;
  }

  async list(
    { principal }: Caller,
    { cursor, limit }: { readonly cursor?: string | undefined; readonly limit: number },
  ): Promise<Page<Repo>> {
    const rows = await queries.listRepositories(this.#deps.database.db, {
      projectId: principal.projectId,
      before: cursorId('rpo', cursor),
      limit: limit + 1,
    });
    return pageOf(rows, limit, presentRepo);
  }

  async get(caller: Caller, id: string): Promise<Repo> {
    return presentRepo(await accessRepository(this.#deps, caller, id, 'runs.read'));
  }

  async update(caller: Caller, id: string, patch: RepoPatch): Promise<Repo> {
    const row = await this.#controlled(caller, id);
    const changed = Object.keys(patch).filter(
      name => patch[name as keyof RepoPatch] !== row[name as keyof RepoPatch],
    );
    if (changed.length === 0) return presentRepo(row);
    const { url, path } = row;
    const defaultBranch = patch.default_branch;
    // A branch that the repository lacks would fail every run on it.
    if (defaultBranch != null) await this.#deps.inspect?.({ id, url, path, defaultBranch });
    return this.#deps.database.transaction(async trx => {
      const reason = changed.join(', ');
      await this.#record(caller, trx, { action: 'repos.update', target: id, reason });
      return presentRepo(await store.updateRepository(trx, id, patch));
    });
  }

  /** Takes it off the list; its tasks stay readable and no new run starts on it. */
  async archive(caller: Caller, id: string): Promise<void> {
    await this.#controlled(caller, id);
    await this.#deps.database.transaction(async trx => {
      await this.#record(caller, trx, { action: 'repos.archive', target: id });
      await store.archiveRepository(trx, id);
    });
  }

  /** The repository, if the caller may change it. Whose it is makes no difference to the record. */
  async #controlled(caller: Caller, id: string): Promise<RepositoryRow> {
    const row = isId('rpo', id)
      ? await queries.findRepository(this.#deps.database.db, id)
      : undefined;
    authorize('repos.control', caller.principal, row === undefined ? null : targetOf(row));
    return row!;
  }

  async #record(
    { principal, requestId }: Caller,
    trx: Trx,
    act: Pick<AuditRecord, 'action' | 'target' | 'reason'>,
  ): Promise<void> {
    const { id, projectId } = principal;
    const record = { principal: id, projectId, outcome: 'allowed', requestId, ...act } as const;
    await this.#deps.audit.record(record, trx);
  }

  async #checkSource(id: string, repo: NewRepo) {
    if ((repo.url === undefined) === (repo.path === undefined)) {
      throw new HoldfastError('invalid_request', 'Give one of url and path.', { field: 'url' });
    }
    const { sources, inspect } = this.#deps;
    const url = repo.url === undefined ? null : await checkRepositoryUrl(repo.url, sources);
    const path = repo.path === undefined ? null : await checkRepositoryPath(repo.path, sources);
    const defaultBranch = repo.default_branch ?? null;
    if (inspect === undefined) return { url, path, defaultBranch };
    const inspected = await inspect({ id, url, path, defaultBranch });
    return { url, path, defaultBranch: inspected.defaultBranch };
  }
}

/** The error of new work on an archived repository. */
export function archivedRepository(): HoldfastError {
  return new HoldfastError('conflict', 'The repository is archived.', { field: 'repo_id' });
}
