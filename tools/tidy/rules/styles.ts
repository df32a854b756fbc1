import { posix } from 'node:path';
import type { Fault } from '../fault.ts';
import type { Project } from '../project.ts';

/** The one style sheet whose rules hold everywhere. */
const GLOBAL = 'packages/console/src/app/global.css';
const CLASS = /\.([A-Za-z][\w-]*)/g;
const IMPORT = /^import (\w+) from '([^']+\.module\.css)';$/gm;

/**
 * Styles stay where they belong: every style sheet is a CSS module but the global one, which has no
 * classes. A class that is used exists in its module, and one that exists is used, because neither
 * the compiler nor the browser reports a wrong name.
 */
export function* ownStyles(project: Project): Generator<Fault> {
  const modules = new Map<string, Set<string>>();
  for (const { path, text } of project.files) {
    if (!path.endsWith('.css')) continue;
    if (path.endsWith('.module.css')) {
      modules.set(path, new Set(classesOf(text)));
    } else if (path !== GLOBAL) {
      yield { rule: 'style', file: path, message: 'is no CSS module (*.module.css)' };
    } else {
      for (const name of classesOf(text)) {
        yield { rule: 'style', file: path, message: `.${name} belongs into a CSS module` };
      }
    }
  }
  yield* wrongNames(project, modules);
}

function* wrongNames(
  { sources }: Project,
  modules: ReadonlyMap<string, ReadonlySet<string>>,
): Generator<Fault> {
  const unused = new Map([...modules].map(([path, classes]) => [path, new Set(classes)]));
  for (const { path, text } of sources) {
    const code = text.replace(IMPORT, '');
    for (const [, name, target] of text.matchAll(IMPORT)) {
      const module = posix.join(posix.dirname(path), target!);
      if (new RegExp(`\\b${name}\\[`).test(code)) unused.delete(module);
      for (const [, used] of code.matchAll(new RegExp(`\\b${name}\\.(\\w+)`, 'g'))) {
        unused.get(module)?.delete(used!);
        if (modules.get(module)?.has(used!)) continue;
        yield { rule: 'style', file: path, message: `${target} has no .${used}` };
      }
    }
  }
  for (const [file, classes] of unused) {
    for (const name of classes) yield { rule: 'style', file, message: `.${name} is never used` };
  }
}

function* classesOf(css: string): Generator<string> {
  const selectors = css
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^@import .*$/gm, '')
    .replace(/:global\([^)]*\)/g, '')
    .replace(/\{[^{}]*\}/g, '{}');
  for (const [, name] of selectors.matchAll(CLASS)) yield name!;
}
