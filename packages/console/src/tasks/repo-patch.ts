import type { RepoPatch } from '@holdfast/client';
import type { Repo } from '@holdfast/protocol';
import type { RepoFields } from './repo-fields.tsx';

/** What can be changed on a repository. */
interface EditedRepo extends RepoFields {
  readonly ciChanges: boolean;
}

export function fieldsOf(repo: Repo): EditedRepo {
  const { name, default_branch, test_command, allow_ci_changes } = repo;
  const texts = { name, branch: default_branch ?? '', test: test_command ?? '' };
  return { ...texts, ciChanges: allow_ci_changes };
}

/** A default branch that is set cannot be cleared. */
export function isComplete({ name, branch }: RepoFields, repo: Repo): boolean {
  return name.trim() !== '' && (branch.trim() !== '' || repo.default_branch === null);
}

/** Only what differs, so that two people who change different things do not undo each other. */
export function patchOf(fields: EditedRepo, repo: Repo): RepoPatch {
  const [name, branch, test] = [fields.name, fields.branch, fields.test].map(text => text.trim());
  return {
    ...(name !== repo.name && { name }),
    ...(branch && branch !== repo.default_branch && { default_branch: branch }),
    ...(test !== (repo.test_command ?? '') && { test_command: test || null }),
    ...(fields.ciChanges !== repo.allow_ci_changes && { allow_ci_changes: fields.ciChanges }),
  };
}
