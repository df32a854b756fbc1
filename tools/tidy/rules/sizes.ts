import type { Fault } from '../fault.ts';
import type { Project, SourceFile } from '../project.ts';
import { dottedName, isNode, type Node, nodes } from '../syntax.ts';

const FILE_LINES = { soft: 300, hard: 500 };
const FUNCTION_LINES = { soft: 40, hard: 70 };
const PARAMETERS_MAX = 4;
const COLUMNS_MAX = 100;

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

/**
 * Budgets: files, functions, parameters, columns. The soft limit may be passed with an exception,
 * the hard one never. Components are mostly markup, so functions in `.tsx` files have the hard
 * limit only. Tests are lists of cases: their files have the hard limit only, and the callbacks of
 * `describe` none.
 */
export function* sizes({ sources }: Project): Generator<Fault> {
  for (const source of sources) {
    yield* fileSize(source);
    yield* columns(source);
    for (const { node, parent } of nodes(source.syntax.program as unknown as Node)) {
      if (!FUNCTIONS.has(node.type)) continue;
      yield* functionSize(source, node, parent);
      yield* parameters(source, node, parent);
    }
  }
}

function* fileSize(source: SourceFile): Generator<Fault> {
  const lines = source.text.trimEnd().split('\n').length;
  const max = source.isTest ? FILE_LINES.hard : FILE_LINES.soft;
  if (lines <= max) return;
  const final = lines > FILE_LINES.hard;
  const message = `${lines} lines, at most ${max}`;
  yield { rule: 'file-lines', file: source.path, message, final };
}

function* columns(source: SourceFile): Generator<Fault> {
  for (const [index, line] of source.text.split('\n').entries()) {
    const isAddress = /https?:\/\/\S{40,}/.test(line);
    if (line.length <= COLUMNS_MAX || isAddress) continue;
    const message = `${line.length} columns, at most ${COLUMNS_MAX}`;
    yield { rule: 'columns', file: source.path, line: index + 1, message };
  }
}

function* functionSize(source: SourceFile, node: Node, parent?: Node): Generator<Fault> {
  if (source.isTest && isSuite(parent)) return;
  const line = source.lineAt(node.start);
  const lines = source.lineAt(node.end) - line + 1;
  const isLong = source.isTest || source.path.endsWith('.tsx');
  const max = isLong ? FUNCTION_LINES.hard : FUNCTION_LINES.soft;
  if (lines <= max) return;
  const final = lines > FUNCTION_LINES.hard;
  const message = `${nameOf(node, parent)} has ${lines} lines, at most ${max}`;
  yield { rule: 'function-lines', file: source.path, line, message, final };
}

/** The callback of `describe`, `describe.each(…)(…)`, or of a helper such as `forEachAdapter`. */
function isSuite(parent?: Node): boolean {
  const name = parent?.type === 'CallExpression' ? dottedName(parent) : undefined;
  return /^(describe\b|forEach[A-Z])/.test(name ?? '');
}

function* parameters(source: SourceFile, node: Node, parent?: Node): Generator<Fault> {
  const count = (node.params as unknown[]).length;
  if (count <= PARAMETERS_MAX || source.isTest) return;
  const message = `${nameOf(node, parent)} has ${count} parameters, at most ${PARAMETERS_MAX}`;
  yield { rule: 'parameters', file: source.path, line: source.lineAt(node.start), message };
}

function nameOf(node: Node, parent?: Node): string {
  for (const id of [node.id, parent?.key, parent?.id]) {
    if (isNode(id) && typeof id.name === 'string') return id.name;
  }
  return 'a function';
}
