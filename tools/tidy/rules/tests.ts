import type { Fault } from '../fault.ts';
import type { Project } from '../project.ts';
import { dottedName, type Node, nodes } from '../syntax.ts';

const LEFT_OUT = new RegExp(
  [
    String.raw`^(it|test|describe|suite|bench)\b.*\.(skip|only|todo|skipIf|runIf|fails)\b`,
    '^(xit|xdescribe|fit|fdescribe)$',
    String.raw`^(context|ctx)\.skip$`,
  ].join('|'),
);

/** No test is left out, and none runs alone: what is there runs, or it is removed. */
export function* noLeftOutTests({ sources }: Project): Generator<Fault> {
  for (const source of sources) {
    if (!source.isTest) continue;
    for (const { node } of nodes(source.syntax.program as unknown as Node)) {
      const name = node.type === 'CallExpression' ? dottedName(node.callee) : undefined;
      if (name === undefined || !LEFT_OUT.test(name)) continue;
      const line = source.lineAt(node.start);
      yield { rule: 'left-out-test', file: source.path, line, message: `${name} leaves tests out` };
    }
  }
}
