/**
 * Scripts that run inside the sandbox, with `sh`, in the run's clone. Everything that touches files
 * or configuration an agent can write is here and not in the server. Parameters are environment
 * variables, so that nothing in them is ever shell text:
 *
 *   HF_OBJECTS  the run's objects         HF_BASE   the run's base commit
 *   HF_BRANCH   the run's branch          HF_PREV   the snapshot before, or empty
 *   HF_HEAD     the commit to be on       HF_TREE   the files, HF_INDEX the index: commit or tree
 */

/**
 * Makes the clone: its own objects in front, the run's and the mirror's behind; files and index as
 * they were.
 */
export const CHECK_OUT = `
set -eu
git init --quiet --template= --initial-branch="$HF_BRANCH" .
mkdir -p .git/info
printf '%s\\n' "$HF_OBJECTS" > .git/objects/info/alternates
git update-ref HEAD "$HF_HEAD"
git read-tree --reset -u "$HF_TREE"
git read-tree "$HF_INDEX"
git update-index -q --refresh || true
`;

/** First word of the line that comes before the pack. */
export const SNAPSHOT_WORD = 'holdfast-snapshot';

/**
 * Makes a commit of the present state and prints one line and a pack:
 *
 *   holdfast-snapshot <commit> <head> <index tree>\\n<pack of what base and previous lack>
 *
 * It works in a git folder of its own, without the agent's configuration, on a copy of the agent's
 * index, so that hooks, a held lock or a broken repository cannot stop it. The copy keeps its time:
 * without it git would miss files that changed in the second of their checkout. Files that cannot
 * be read and repositories within the repository are left out. A head that does not descend from
 * the base counts as the base.
 */
export const SNAPSHOT = `
set -eu
work=$PWD
agent=$work/.git
scratch=$(mktemp -d "\${TMPDIR:-/tmp}/snapshot-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
git init --quiet --template= "$scratch" >&2
export GIT_DIR="$scratch/.git" GIT_WORK_TREE="$work" GIT_INDEX_FILE="$scratch/index"
export GIT_ALTERNATE_OBJECT_DIRECTORIES="$HF_OBJECTS"
mkdir -p "$GIT_DIR/info"
head=
if [ -d "$agent" ] && [ ! -L "$agent" ]; then
  if [ -d "$agent/objects" ] && [ -w "$agent/objects" ]; then
    export GIT_OBJECT_DIRECTORY="$agent/objects"
  fi
  [ ! -f "$agent/info/exclude" ] || cp "$agent/info/exclude" "$GIT_DIR/info/exclude" || true
  [ ! -f "$agent/index" ] || cp -p "$agent/index" "$GIT_INDEX_FILE" || true
  head=$(git --git-dir="$agent" rev-parse --quiet --verify 'HEAD^{commit}' 2>/dev/null || true)
fi
if [ -z "$head" ] || ! git merge-base --is-ancestor "$HF_BASE" "$head" 2>/dev/null; then
  head=$HF_BASE
fi
index=$(git write-tree 2>/dev/null || true)
if [ -z "$index" ] || [ ! -f "$GIT_INDEX_FILE" ]; then
  rm -f "$GIT_INDEX_FILE"
  git read-tree "$head"
  index=
fi
git add --all --ignore-errors >&2 || true
tree=$(git write-tree)
index=\${index:-$tree}
if [ "$tree" = "$(git rev-parse "$head^{tree}")" ]; then
  commit=$head
elif [ -n "$HF_PREV" ] && [ "$tree" = "$(git rev-parse "$HF_PREV^{tree}")" ] &&
  [ "$head" = "$(git rev-parse --quiet --verify "$HF_PREV^1" || true)" ]; then
  commit=$HF_PREV
else
  commit=$(git commit-tree "$tree" -p "$head" -m 'Work in progress')
fi
printf '${SNAPSHOT_WORD} %s %s %s\\n' "$commit" "$head" "$index"
{
  printf '%s\\n%s\\n^%s\\n' "$commit" "$index" "$HF_BASE"
  [ -z "$HF_PREV" ] || printf '^%s\\n' "$HF_PREV"
} | git -c pack.threads=1 pack-objects --revs --stdout -q --delta-base-offset
`;

/** Prints the home as a tar, without unreadable files and sockets. */
export const PACK_HOME = `
set -eu
code=0
tar -C "$HOME" --create --file=- --warning=none --ignore-failed-read . || code=$?
[ "$code" -le 1 ]
`;

export const UNPACK_HOME = `
set -eu
tar -C "$HOME" --extract --file=- --no-same-owner --warning=none
`;
