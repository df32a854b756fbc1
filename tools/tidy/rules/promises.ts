import type { Fault } from '../fault.ts';
import type { Project, SourceFile } from '../project.ts';
import { dottedName, isNode, type Node } from '../syntax.ts';

const PAGES = new Set(['SECURITY.md', 'docs/guide/sandbox.md']);
const TABLE = /^## What shows it$/m;
const ROW = /^\| (.+?) \| (.+) \|$/gm;
const FENCE = /^```[\s\S]*?^```/gm;
/** In the place of tests: what the quotes stand for promises nothing. */
const NO_PROMISE = '—';

/**
 * The last section of a page that promises is a table of quotes and of the tests that show them.
 * Each quote stands once in the page, each test is there, and each sentence has a quote, or its
 * heading has. Several quotes or tests in a cell are separated by `<br>`.
 */
export function* promisesAreShown({ files, sources }: Project): Generator<Fault> {
  for (const { path: file, text } of files) {
    if (!PAGES.has(file)) continue;
    const [prose, table = ''] = text.split(TABLE) as [string, string?];
    for (const message of faultsOf(prose, table, sources)) yield { rule: 'promise', file, message };
  }
}

function* faultsOf(prose: string, table: string, sources: readonly SourceFile[]) {
  const named = sources.filter(({ path }) => table.includes(`\`${path}\``));
  const tests = new Set([NO_PROMISE, ...named.flatMap(titles)]);
  const quotes: string[] = [];
  // The first row is the heads of columns.
  for (const [, words = '', shown = ''] of table.matchAll(ROW).drop(1)) {
    quotes.push(...words.split('<br>'));
    for (const test of shown.split('<br>')) {
      if (!tests.has(test)) yield `there is no test ${test}`;
    }
  }
  for (const quote of quotes) {
    const count = prose.split(quote).length - 1;
    if (count !== 1) yield `"${quote}" stands ${count} times in the page, not once`;
  }
  for (const [heading, sentence] of sentences(prose)) {
    const isQuoted = quotes.some(quote => sentence.includes(quote) || heading === quote);
    if (!isQuoted) yield `no row is about "${sentence}"`;
  }
}

/** Each sentence, and each row of a table, with the heading above it. */
function* sentences(prose: string): Generator<readonly [heading: string, sentence: string]> {
  let heading = '';
  const lines = prose.replaceAll(FENCE, '').split('\n');
  for (const [index, line] of lines.entries()) {
    if (line.startsWith('#')) heading = line;
    else if (line.startsWith('|')) {
      const isHead = /^\|-/.test(lines[index + 1] ?? '');
      if (!isHead && !/^\|-/.test(line)) yield [heading, line];
    } else {
      // A list's item may begin with its name in bold.
      const rest = line.replace(/^- \*\*[^*]+\.\*\*/, '');
      for (const sentence of rest.split(/(?<=[.?!]\**)\s+/)) {
        if (/\w/.test(sentence)) yield [heading, sentence];
      }
    }
  }
}

/** `file`: describe > it, of each test of a file, as the source has the titles. */
function titles({ path, text, syntax }: SourceFile): string[] {
  const found: string[] = [];
  const look = (node: Node, above: readonly string[]) => {
    let below = above;
    const name = node.type === 'CallExpression' ? (dottedName(node.callee) ?? '') : '';
    const [title] = (node.arguments ?? []) as Node[];
    if (/^(it|describe)\b/.test(name) && title && /^(Template)?Literal$/.test(title.type)) {
      const words = text.slice(title.start + 1, title.end - 1).replaceAll(/\\(?=['"`])/g, '');
      below = [...above, words];
      if (name.startsWith('it')) found.push(`\`${path}\`: ${below.join(' > ')}`);
    }
    for (const child of Object.values(node).flat()) if (isNode(child)) look(child, below);
  };
  look(syntax.program as unknown as Node, []);
  return found;
}
