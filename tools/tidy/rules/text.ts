import type { Fault } from '../fault.ts';
import type { Project } from '../project.ts';

const OPEN_ENDS = new RegExp(
  `\\b(${['TO', 'FIX'].map((w, i) => w + ['DO', 'ME'][i]).join('|')})\\b`,
);
const MERGE_MARK = /^(<{7}|>{7}) /;
const UNTYPED = new RegExp(`@ts-${'(ignore|nocheck)'}`);
const HOME_FOLDER = /(^|[\s"'`(=:])\/(home|Users)\/[A-Za-z0-9._-]+\//;
const PUBLIC_REGISTRY = 'registry.npmjs.org';

/**
 * What no file may contain: open ends, marks of a merge, paths and registries of the machine where
 * it was written, and, in the lock file, where packages came from (`npm ci` takes them from the
 * registry in use).
 */
export function* plainText({ root, files }: Project): Generator<Fault> {
  const ownFolder = root.replace(/\/$/, '');
  const registry = registryHost();
  for (const { path, text } of files) {
    for (const [index, line] of text.split('\n').entries()) {
      const at = { file: path, line: index + 1 };
      if (OPEN_ENDS.test(line)) yield { rule: 'open-end', ...at, message: 'finish it or drop it' };
      if (MERGE_MARK.test(line)) yield { rule: 'merge-mark', ...at, message: 'resolve it' };
      if (UNTYPED.test(line)) yield { rule: 'untyped', ...at, message: 'types are switched off' };
      if (HOME_FOLDER.test(line) || includesPath(line, ownFolder)) {
        yield { rule: 'own-path', ...at, message: 'a path of one machine' };
      }
      if (registry !== undefined && line.includes(registry)) {
        yield { rule: 'own-registry', ...at, message: 'the registry of one machine' };
      }
      if (path === 'package-lock.json' && /"resolved": "https?:/.test(line)) {
        yield { rule: 'own-registry', ...at, message: 'a lock file entry must not name a server' };
      }
    }
  }
}

function includesPath(line: string, folder: string): boolean {
  const at = folder.length > 4 ? line.indexOf(folder) : -1;
  return at >= 0 && /^($|[/"'`\s)])/.test(line.slice(at + folder.length));
}

/** The registry npm uses here, unless it is the public one. */
function registryHost(): string | undefined {
  const address = process.env.npm_config_registry;
  if (!address || !URL.canParse(address)) return undefined;
  const { hostname } = new URL(address);
  return hostname === PUBLIC_REGISTRY || hostname === 'localhost' ? undefined : hostname;
}
