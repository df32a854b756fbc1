import { HoldfastError } from '../../kernel/index.ts';
import type { BareRepository } from './bare-repository.ts';
import { showPath, splitNul } from './diff.ts';
import { GitError, git } from './git.ts';
import type { CiChanges } from './workspace.ts';

/** Commits and paths of one branch; more is refused unread. */
const LIST_MAX_BYTES = 64 * 1024 ** 2;
/** Files that are named; the total counts all. */
const FILES_MAX = 20;
const PATH_MAX_CHARS = 200;

/**
 * The files and folders from which servers take workflows by themselves. A folder may have become a
 * file, a link or a submodule. Letter case counts nowhere: some servers run on such file systems.
 */
const CI_PATHS = [
  /^\.(?:github|gitea|forgejo)(?:\/(?:workflows|actions)(?:\/|$)|$)/i,
  /^\.gitlab(?:[-/]ci.*)?$/is,
  /^\.(?:circleci|buildkite|azure-pipelines|semaphore|teamcity|builds)(?:\/|$)/i,
  /(?:^|\/)azure-pipelines[^/]*\.ya?ml$/i,
  /(?:^|\/)jenkinsfile[^/]*$/i,
  /^(?:bitbucket-pipelines|\.?appveyor|\.travis|\.cirrus|\.drone|\.build)\.[^/]+$/i,
  /^\.woodpecker[^/]*(?:\/|$)/i,
];

/**
 * The files of CI that any commit of `commit` since `base` changes, adds, removes or renames: a
 * change that a later commit takes back counts too. Throws `unprocessable` for a branch that is too
 * large to be read.
 */
export async function ciChanges(
  objects: BareRepository,
  { base, commit }: { readonly base: string; readonly commit: string },
): Promise<CiChanges> {
  const options = { ...objects.options(), maxOutputBytes: LIST_MAX_BYTES };
  try {
    const input = (
      await git(['rev-list', '--end-of-options', commit, `^${base}`], options)
    ).toString('latin1');
    // `-m`: a merge is compared with each of its parents.
    const list = ['diff-tree', '--stdin', '-r', '-m', '--root', '--no-renames', '--no-commit-id'];
    const output = await git([...list, '--name-only', '-z'], { ...options, input });
    const paths = new Set(splitNul(output).map(showPath).filter(isCiPath));
    const files = [...paths].slice(0, FILES_MAX).map(path => path.slice(0, PATH_MAX_CHARS));
    return { files, total: paths.size };
  } catch (cause) {
    if (!(cause instanceof GitError)) throw cause;
    const detail = 'The branch is too large to be searched for changes of CI workflows.';
    throw new HoldfastError('unprocessable', detail, { cause });
  }
}

export function isCiPath(path: string): boolean {
  return CI_PATHS.some(pattern => pattern.test(path));
}
