import type { RepoPatch } from '@holdfast/client';
import type { Repo } from '@holdfast/protocol';
import type { RepoFields } from './repo-fields.tsx';

export function fieldsOf({ name, default_branch, test_command }: Repo): RepoFields {
  return { name, branch: default_branch ?? '', test: test_command ?? '' };
}

/** A default branch that is set cannot be cleared. */
export function isComplete({ name, branch }: RepoFields, repo: Repo): boolean {
  return name.trim() !== '' && (branch.trim() !== '' || repo.default_branch === null);
}

/** Only what differs, so that two people who change different things do not undo each other. */
export function patchOf(fields: RepoFields, repo: Repo): RepoPatch {
  const [name, branch, test] = [fields.name, fields.branch, fields.test].map(text => text.trim());
  return {
    ...(name !== repo.name && { name }),
    ...(branch && branch !== repo.default_branch && { default_branch: branch }),
    ...(test !== (repo.test_command ?? '') && { test_command: test || null }),
  };
}
