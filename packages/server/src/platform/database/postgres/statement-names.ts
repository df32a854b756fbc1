/** Statements that a process has PostgreSQL keep prepared; each connection keeps those it ran. */
const PREPARED_MAX = 300;

/** Columns that are not named. */
const STAR = /(\b(select|distinct|returning)\s+|,\s*|\.)\*/i;
/** A literal or quoted name as a whole, or a parenthesis. */
const QUOTED_OR_PARENTHESIS = /'(?:[^']|'')*'|"(?:[^"]|"")*"|[()]/g;
/** Constructs that may hide a quote or a parenthesis: comments, dollar quotes, escapes. */
const UNREADABLE = /--|\/\*|\$\w*\$|\\/;
/** What a statement answers by. */
const VERB = /\b(select|insert|update|delete|merge|values)\b/i;

/**
 * Names under which statements stay prepared on a connection, which halves what a small one costs.
 * Only those that name the columns of their result get one: a migration that adds a column would
 * change the result of the others under the connections that prepared them. What comes when there
 * are `PREPARED_MAX` is planned each time.
 */
export class StatementNames {
  readonly #names = new Map<string, string>();
  readonly #max: number;

  constructor(max: number = PREPARED_MAX) {
    this.#max = max;
  }

  get size(): number {
    return this.#names.size;
  }

  /** The same for the same text; undefined: not to be kept. */
  nameOf(text: string): string | undefined {
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= this.#max || answersStar(text)) return known;
    const name = `holdfast_${this.#names.size + 1}`;
    this.#names.set(text, name);
    return name;
  }
}

/**
 * Whether the result may have columns that are not named. What stands in parentheses answers
 * nothing by itself, unless all of the statement does: PostgreSQL plans it anew as it changes.
 */
function answersStar(text: string): boolean {
  if (!text.includes('*')) return false;
  if (UNREADABLE.test(text)) return true;
  if (!STAR.test(text)) return false;
  let outside = '';
  let depth = 0;
  let from = 0;
  for (const { 0: found, index } of text.matchAll(QUOTED_OR_PARENTHESIS)) {
    if (depth === 0) outside += text.slice(from, index);
    from = index + found.length;
    if (found === '(') depth += 1;
    else if (found === ')') depth -= 1;
  }
  outside += text.slice(from);
  return depth !== 0 || !VERB.test(outside) || STAR.test(outside);
}
