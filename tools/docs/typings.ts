import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseSync } from 'vite';
import { isNode, type Node } from '../tidy/syntax.ts';

/**
 * Declarations of `.d.ts` files by name, through namespaces and through `import * as` of files
 * beside them: as much of TypeScript's scoping as generated client libraries use.
 */
export interface Scope {
  readonly file: string;
  readonly parent: Scope | undefined;
  /** Interfaces and type aliases. */
  readonly types: Map<string, Node>;
  readonly namespaces: Map<string, Scope | string>;
}

export interface Declared {
  readonly node: Node;
  readonly scope: Scope;
}

export class Typings {
  readonly #files = new Map<string, Scope>();

  file(path: string): Scope {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const scope = emptyScope(path, undefined);
    this.#files.set(path, scope);
    const { program } = parseSync(path, readFileSync(path, 'utf8'));
    fill(scope, program.body as unknown as Node[]);
    return scope;
  }

  /** The declaration that `reference` (a name, or names with dots between) means in `scope`. */
  resolve(reference: Node, scope: Scope): Declared {
    const names = namesOf(reference);
    const last = names.pop()!;
    for (let from: Scope | undefined = scope; from !== undefined; from = from.parent) {
      const holder = this.#descend(from, names);
      const node = holder?.types.get(last);
      if (holder !== undefined && node !== undefined) return { node, scope: holder };
    }
    throw new Error(`${scope.file}: ${[...names, last].join('.')} is not declared`);
  }

  #descend(from: Scope, names: readonly string[]): Scope | undefined {
    let found: Scope | undefined = from;
    for (const name of names) {
      const next: Scope | string | undefined = found?.namespaces.get(name);
      found = typeof next === 'string' ? this.file(next) : next;
    }
    return found;
  }
}

function emptyScope(file: string, parent: Scope | undefined): Scope {
  return { file, parent, types: new Map(), namespaces: new Map() };
}

function fill(scope: Scope, statements: readonly Node[]): void {
  for (const statement of statements) {
    const node = isNode(statement.declaration) ? statement.declaration : statement;
    if (node.type === 'ImportDeclaration') imports(scope, node);
    if (node.type === 'TSInterfaceDeclaration' || node.type === 'TSTypeAliasDeclaration') {
      scope.types.set(nameOf(node.id), node);
    }
    if (node.type === 'TSModuleDeclaration') {
      const inner = emptyScope(scope.file, scope);
      fill(inner, (node.body as { body: Node[] }).body);
      scope.namespaces.set(nameOf(node.id), inner);
    }
  }
}

function imports(scope: Scope, node: Node): void {
  const path = (node.source as { value: string }).value.replace(/\.js$/, '.d.ts');
  for (const specifier of node.specifiers as Node[]) {
    if (specifier.type !== 'ImportNamespaceSpecifier') continue;
    scope.namespaces.set(nameOf(specifier.local), join(dirname(scope.file), path));
  }
}

function namesOf(reference: Node): string[] {
  if (reference.type !== 'TSQualifiedName') return [nameOf(reference)];
  return [...namesOf(reference.left as Node), nameOf(reference.right)];
}

export const nameOf = (identifier: unknown) => (identifier as { name: string }).name;
