import type { Fault } from '../fault.ts';
import type { Project, SourceFile } from '../project.ts';
import { dottedName, isNode, type Node, nodes } from '../syntax.ts';

/** Over `warn` is shown, over `max` fails, and no exception allows it. */
interface Budget {
  readonly warn: number;
  readonly max: number;
}

const FILE_LINES: Budget = { warn: 400, max: 600 };
const FUNCTION_LINES: Budget = { warn: 60, max: 90 };
const COLUMNS_MAX = 100;

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/**
 * Budgets of files, functions and columns; Biome has those of parameters and complexity. Biome's
 * own rule for the lines of a function knows one limit, and counts a whole suite of tests as one
 * function; here each test counts for itself.
 */
export function* sizes({ sources }: Project): Generator<Fault> {
  for (const source of sources) {
    const lines = source.text.trimEnd().split('\n').length;
    yield* overBudget(FILE_LINES, lines, { rule: 'file-lines', file: source.path });
    yield* columns(source);
    for (const { node, parent } of nodes(source.syntax.program as unknown as Node)) {
      if (!FUNCTIONS.has(node.type) || isSuite(source, parent)) continue;
      const line = source.lineAt(node.start);
      const name = nameOf(node, parent);
      yield* overBudget(FUNCTION_LINES, source.lineAt(node.end) - line + 1, {
        rule: 'function-lines',
        file: source.path,
        line,
        name,
      });
    }
  }
}

function* overBudget(
  { warn, max }: Budget,
  lines: number,
  { name, ...place }: { rule: string; file: string; line?: number; name?: string },
): Generator<Fault> {
  if (lines <= warn) return;
  const isWarning = lines <= max;
  const limit = isWarning ? `better at most ${warn}` : `at most ${max}`;
  const message = `${name ? `${name} has ` : ''}${lines} lines, ${limit}`;
  yield { ...place, message, isWarning, isFinal: !isWarning };
}

function* columns(source: SourceFile): Generator<Fault> {
  for (const [index, line] of source.text.split('\n').entries()) {
    const isAddress = /https?:\/\/\S{40,}/.test(line);
    if (line.length <= COLUMNS_MAX || isAddress) continue;
    const message = `${line.length} columns, at most ${COLUMNS_MAX}`;
    yield { rule: 'columns', file: source.path, line: index + 1, message };
  }
}

/** The callback of `describe`, `describe.each(…)(…)`, or of a helper such as `withDatabase`. */
function isSuite(source: SourceFile, parent?: Node): boolean {
  if (!source.isTest || parent?.type !== 'CallExpression') return false;
  return /^(describe\b|forEach[A-Z]|with(Database|RunsHost)\b)/.test(dottedName(parent) ?? '');
}

function nameOf(node: Node, parent?: Node): string {
  for (const id of [node.id, parent?.key, parent?.id]) {
    if (isNode(id) && typeof id.name === 'string') return id.name;
  }
  return 'a function';
}
