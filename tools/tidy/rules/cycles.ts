import type { Fault } from '../fault.ts';
import { importsOf } from '../imports.ts';
import type { Project } from '../project.ts';

/**
 * No file may, at run time, need itself through others: which of them is evaluated first would
 * depend on who asks. Types are gone by then and may refer to each other freely.
 */
export function* noCycles({ sources }: Project): Generator<Fault> {
  const graph = new Map(
    sources.map(source => [
      source.path,
      importsOf(source)
        .filter(({ isValue, target }) => isValue && target !== undefined)
        .map(({ target }) => target!),
    ]),
  );
  const done = new Set<string>();
  for (const start of graph.keys()) {
    const cycle = findCycle(graph, start, done);
    if (!cycle) continue;
    const message = `imports itself: ${cycle.join(' → ')}`;
    yield { rule: 'cycle', file: cycle[0]!, message };
  }
}

function findCycle(
  graph: ReadonlyMap<string, readonly string[]>,
  start: string,
  done: Set<string>,
): string[] | undefined {
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    const at = path.indexOf(file);
    if (at >= 0) return [...path.slice(at), file];
    if (done.has(file)) return undefined;
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle) return cycle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  const cycle = visit(start);
  for (const file of path) done.add(file);
  return cycle;
}
