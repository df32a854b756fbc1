import { posix } from 'node:path';
import type { SourceFile } from './project.ts';

export interface Import {
  readonly line: number;
  /** As written. */
  readonly specifier: string;
  /** The file in the repository, for relative imports and our own packages; else undefined. */
  readonly target: string | undefined;
  /** False when only types are imported: such an import is gone at run time. */
  readonly isValue: boolean;
  /** Imported names; `*` for all of them. */
  readonly names: readonly string[];
}

/** What a file imports and re-exports, statically or with `import('…')` of a literal. */
export function importsOf(source: SourceFile): Import[] {
  const { module } = source.syntax;
  const make = (start: number, specifier: string, names: string[], isValue: boolean): Import => ({
    line: source.lineAt(start),
    specifier,
    target: resolveSpecifier(source.path, specifier),
    isValue,
    names,
  });
  const statics = module.staticImports.map(({ start, moduleRequest, entries }) => {
    const isValue = entries.length === 0 || entries.some(entry => !entry.isType);
    const names = entries.map(entry => entry.importName.name ?? '*');
    return make(start, moduleRequest.value, names, isValue);
  });
  const exports = module.staticExports.flatMap(({ start, entries }) =>
    entries
      .filter(entry => entry.moduleRequest)
      .map(entry => {
        const names = [entry.importName.name ?? '*'];
        return make(start, entry.moduleRequest!.value, names, !entry.isType);
      }),
  );
  const dynamics = module.dynamicImports.flatMap(({ start, moduleRequest }) => {
    const written = source.text.slice(moduleRequest.start, moduleRequest.end);
    const literal = /^['"`]([^'"`$]+)['"`]$/.exec(written)?.[1];
    return literal === undefined ? [] : [make(start, literal, ['*'], true)];
  });
  return [...statics, ...exports, ...dynamics];
}

function resolveSpecifier(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) {
    return posix.join(posix.dirname(from), specifier.replace(/\?.*$/, ''));
  }
  const own = /^@holdfast\/([a-z]+)(?:\/(.+))?$/.exec(specifier);
  if (!own) return undefined;
  return `packages/${own[1]}/src/${own[2] ?? 'index.ts'}`;
}
