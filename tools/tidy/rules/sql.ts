import type { Fault } from '../fault.ts';
import type { Project } from '../project.ts';
import { dottedName, type Node, nodes } from '../syntax.ts';

const SERVER = 'packages/server/src/';
/** `platform/` is where tables meet the database; `auth/` and `models/` have one table a file. */
const OWN_SQL = /^(platform|auth|models)\//;
const STORE = /(^|\/)([a-z-]+-)?(store|queries)\.ts$/;
const BUILDERS = new Set([
  'selectFrom',
  'selectNoFrom',
  'insertInto',
  'updateTable',
  'deleteFrom',
  'mergeInto',
]);

/**
 * Features keep their SQL in `store.ts` (`…-store.ts`) and `queries.ts`: what the other files do
 * can be read without it, and the queries of a table stand together when the table changes.
 */
export function* sqlInStores({ sources }: Project): Generator<Fault> {
  for (const source of sources) {
    const path = source.path.startsWith(SERVER) ? source.path.slice(SERVER.length) : undefined;
    if (path === undefined || source.isTest || OWN_SQL.test(path) || STORE.test(path)) continue;
    for (const { node } of nodes(source.syntax.program as unknown as Node)) {
      const query = queryOf(node);
      if (query === undefined) continue;
      const message = `${query} belongs in a store.ts or queries.ts`;
      yield { rule: 'sql-place', file: source.path, line: source.lineAt(node.start), message };
    }
  }
}

/** What makes the node a query: the `sql` tag, a function of it, or a method that begins one. */
function queryOf(node: Node): string | undefined {
  if (node.type === 'TaggedTemplateExpression') {
    return dottedName(node.tag) === 'sql' ? 'the sql tag' : undefined;
  }
  if (node.type !== 'CallExpression') return undefined;
  const callee = node.callee as Node;
  if (callee.type !== 'MemberExpression') return undefined;
  const method = dottedName(callee.property);
  if (dottedName(callee.object) === 'sql') return `sql.${method}`;
  return method !== undefined && BUILDERS.has(method) ? method : undefined;
}
