/** The little of a syntax tree that the rules look at (ESTree, as the parser gives it). */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

/** Every node below and including `root`, with its parent. */
export function* nodes(root: Node, parent?: Node): Generator<{ node: Node; parent?: Node }> {
  yield { node: root, parent };
  for (const value of Object.values(root)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) yield* nodes(child, root);
    }
  }
}

/** `a.b.c` of a chain of names, or undefined. */
export function dottedName(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Identifier') return String(node.name);
  if (node.type === 'CallExpression') return dottedName(node.callee);
  if (node.type !== 'MemberExpression') return undefined;
  const object = dottedName(node.object);
  return object === undefined ? undefined : `${object}.${dottedName(node.property) ?? '?'}`;
}
