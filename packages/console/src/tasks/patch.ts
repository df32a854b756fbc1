/** A git patch, file by file, as far as a page needs it. Pure. */
export interface PatchFile {
  /** Unique in the patch. */
  readonly path: string;
  /** Where it was before; null for a new file. */
  readonly oldPath: string | null;
  readonly status: 'added' | 'modified' | 'deleted' | 'renamed';
  readonly binary: boolean;
  readonly insertions: number;
  readonly deletions: number;
  /** Its part of the patch, from `diff --git` on; without hunks '' . */
  readonly text: string;
}

/** A longer patch would block the page. */
export const PATCH_MAX_CHARS = 5_000_000;
/** A file with more changed lines is folded. */
export const FILE_LARGE_LINES = 600;

export function parsePatch(patch: string): PatchFile[] {
  // A file begins at a line outside of hunks, because within them every line has a prefix.
  const parts = patch.split(/^(?=diff --git )/m);
  return parts.filter(part => part.startsWith('diff --git ')).map(parseFile);
}

function parseFile(text: string): PatchFile {
  const at = text.search(/^@@ /m);
  const head = at < 0 ? text : text.slice(0, at);
  const hunks = at < 0 ? '' : text.slice(at);
  const { oldPath, newPath } = pathsOf(head);
  const added = /^new file mode/m.test(head);
  const deleted = /^deleted file mode/m.test(head);
  const renamed = /^rename from /m.test(head);
  const counts = countLines(hunks);
  return {
    path: newPath ?? oldPath ?? '',
    oldPath: added ? null : oldPath,
    status: added ? 'added' : deleted ? 'deleted' : renamed ? 'renamed' : 'modified',
    binary: /^(GIT binary patch|Binary files )/m.test(head),
    ...counts,
    text: hunks === '' ? '' : text,
  };
}

function pathsOf(head: string): { oldPath: string | null; newPath: string | null } {
  const line = (pattern: RegExp) => pattern.exec(head)?.[1];
  const from = line(/^rename from (.+)$/m) ?? line(/^copy from (.+)$/m);
  const to = line(/^rename to (.+)$/m) ?? line(/^copy to (.+)$/m);
  const named = /^diff --git (?:"?a\/)(.+?)"? (?:"?b\/)(.+?)"?$/m.exec(head);
  const before = line(/^--- (.+?)\t?$/m);
  const after = line(/^\+\+\+ (.+?)\t?$/m);
  return {
    oldPath: clean(from) ?? side(before) ?? clean(named?.[1]),
    newPath: clean(to) ?? side(after) ?? clean(named?.[2]),
  };
}

function side(path: string | undefined): string | null {
  if (path === undefined || path === '/dev/null') return null;
  return clean(unquote(path).replace(/^[ab]\//, ''));
}

function clean(path: string | undefined): string | null {
  return path === undefined ? null : unquote(path);
}

/** Git quotes a path with other than ASCII as a C string with octal bytes. */
function unquote(path: string): string {
  if (!/\\[0-7]{3}|^"/.test(path)) return path;
  const inner = path.replace(/^"|"$/g, '');
  const bytes: number[] = [];
  for (let i = 0; i < inner.length; i++) {
    const octal = /^\\([0-7]{3})/.exec(inner.slice(i, i + 4));
    if (octal) {
      bytes.push(Number.parseInt(octal[1]!, 8));
      i += 3;
    } else if (inner[i] === '\\') {
      bytes.push(inner.charCodeAt(++i));
    } else {
      bytes.push(...new TextEncoder().encode(inner[i]!));
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

function countLines(hunks: string): { insertions: number; deletions: number } {
  let insertions = 0;
  let deletions = 0;
  for (const line of hunks.split('\n')) {
    if (line.startsWith('+')) insertions++;
    else if (line.startsWith('-')) deletions++;
  }
  return { insertions, deletions };
}
