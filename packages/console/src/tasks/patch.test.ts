import { describe, expect, it } from 'vitest';
import { parsePatch } from './patch.ts';

const PATCH = `diff --git a/src/a.js b/src/a.js
index 1c2d3e4..5f6a7b8 100644
--- a/src/a.js
+++ b/src/a.js
@@ -1,3 +1,4 @@
 import x;
-old
--- not a header
+new
+diff --git a/fake b/fake
++++ neither
 end
diff --git a/new file.md b/new file.md
new file mode 100644
index 0000000..9e8d7c6
--- /dev/null
+++ b/new file.md\t
@@ -0,0 +1 @@
+Notes
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
-bye
diff --git a/from.js b/to.js
similarity index 100%
rename from from.js
rename to to.js
diff --git a/logo.png b/logo.png
new file mode 100644
index 0000000..cafe123
GIT binary patch
literal 20
bcmZ
diff --git "a/\\346\\227\\245.md" "b/\\346\\227\\245.md"
index 1..2 100644
--- "a/\\346\\227\\245.md"
+++ "b/\\346\\227\\245.md"
@@ -1 +1 @@
-a
+b
`;

describe('parsePatch', () => {
  it('reads every file of a patch', () => {
    const files = parsePatch(PATCH);
    expect(files.map(({ text, ...file }) => file)).toEqual([
      facts('src/a.js', { oldPath: 'src/a.js', insertions: 3, deletions: 2 }),
      facts('new file.md', { status: 'added', insertions: 1 }),
      facts('gone.txt', { oldPath: 'gone.txt', status: 'deleted', deletions: 1 }),
      facts('to.js', { oldPath: 'from.js', status: 'renamed' }),
      facts('logo.png', { status: 'added', binary: true }),
      facts('日.md', { oldPath: '日.md', insertions: 1, deletions: 1 }),
    ]);
    expect(files[0]?.text).toContain('+++ neither');
    expect(files[3]?.text).toBe('');
  });

  it('finds no file in an empty patch', () => {
    expect(parsePatch('')).toEqual([]);
    expect(parsePatch('no patch at all')).toEqual([]);
  });
});

function facts(path: string, change: object) {
  const none = { oldPath: null, status: 'modified', binary: false, insertions: 0, deletions: 0 };
  return { path, ...none, ...change };
}
