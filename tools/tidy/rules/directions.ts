import type { Fault } from '../fault.ts';
import { type Import, importsOf } from '../imports.ts';
import type { Project, SourceFile } from '../project.ts';

/**
 * Directions of imports. Packages: protocol stands alone, client and simulator lean on it, the
 * console on client and protocol, the server on protocol. Within the server:
 *
 *     protocol, kernel ← platform, http ← auth ← work ← features ← wiring ← application ← main
 *
 * `compose.ts` and what else stands at the top lean on platform and config only, and are read from
 * `wiring/` on. Folders are imported through their `index.ts` only, `work/` also through those of
 * its parts. Tests may look anywhere, through the same doors and through `testing`. Circles within
 * these lines are Biome's to find.
 */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  client: ['protocol'],
  simulator: ['protocol'],
  console: ['client', 'protocol'],
  server: ['protocol'],
  lab: ['client', 'protocol'],
};

/** What a feature may import of the others, besides auth and work. */
const FEATURES: Readonly<Record<string, readonly string[]>> = {
  models: [],
  recordings: [],
  realtime: ['models', 'recordings'],
  runs: ['models'],
  meetings: ['models', 'recordings', 'runs'],
  chaos: [],
};

const FOUNDATION = ['kernel', 'platform', 'http'];
const TOP = [...FOUNDATION, 'auth', 'work', 'config', 'top', ...Object.keys(FEATURES)];
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  kernel: [],
  config: ['kernel'],
  platform: ['kernel', 'platform'],
  http: ['kernel', 'platform'],
  auth: FOUNDATION,
  work: [...FOUNDATION, 'auth'],
  top: ['kernel', 'platform', 'config', 'top'],
  wiring: TOP,
  application: [...TOP, 'wiring'],
  main: [...TOP, 'wiring', 'application'],
};

/** Factories of adapters: only `compose.ts` chooses between them. */
const ADAPTER =
  /^(open|create)(Embedded|Postgres|Redis|Process|Filesystem|Azure|Environment|KeyVault)/;
const COMPOSE = 'packages/server/src/compose.ts';
const SERVER = 'packages/server/src/';

export function* directions({ sources }: Project): Generator<Fault> {
  for (const source of sources) {
    for (const imported of importsOf(source)) {
      const message = packageFault(source, imported) ?? serverFault(source, imported);
      if (message === undefined) continue;
      yield { rule: 'direction', file: source.path, line: imported.line, message };
    }
  }
}

function packageFault(source: SourceFile, { target }: Import): string | undefined {
  const from = packageOf(source.path);
  const to = target === undefined ? undefined : packageOf(target);
  if (from === undefined || target === undefined || from === to || source.isTest) return undefined;
  if (to === undefined) return `a package must not import ${target}`;
  if (PACKAGES[from]?.includes(to)) return undefined;
  return `the package ${from} must not import ${to}`;
}

function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1];
}

function serverFault(source: SourceFile, { target, names }: Import): string | undefined {
  if (!source.path.startsWith(SERVER) || !target?.startsWith(SERVER)) return undefined;
  const from = folderOf(source.path);
  const to = folderOf(target);
  if (from === to) return undefined;
  if (!isDoor(target, source.isTest)) return `${to} must be imported through its index.ts`;
  if (source.isTest) return undefined;
  const adapter = names.find(name => ADAPTER.test(name));
  if (adapter && source.path !== COMPOSE)
    return `only compose.ts may choose the adapter ${adapter}`;
  return mayImport(from, to) ? undefined : `${from} must not import ${to}`;
}

/** `kernel`, `platform/log`, `realtime`, `wiring`; for files at the top their layer. */
function folderOf(path: string): string {
  const parts = path.slice(SERVER.length).split('/');
  if (parts.length > 1) return parts[0] === 'platform' ? parts.slice(0, 2).join('/') : parts[0]!;
  const name = parts[0]!.replace(/\.ts$/, '');
  return name === 'main' || name === 'application' ? name : 'top';
}

function isDoor(target: string, fromTest: boolean): boolean {
  const folder = folderOf(target);
  if (['top', 'application', 'main', 'wiring'].includes(folder)) return true;
  const inside = target.slice(`${SERVER}${folder}/`.length);
  if (inside === 'index.ts') return true;
  if (folder === 'work' && /^[a-z-]+\/index\.ts$/.test(inside)) return true;
  return fromTest && /(^|\/)testing(\/|-|\.ts$)/.test(inside);
}

function mayImport(from: string, to: string): boolean {
  const layer = to.startsWith('platform/') ? 'platform' : to;
  const own = FEATURES[from];
  if (own) return [...FOUNDATION, 'auth', 'work', ...own].includes(layer);
  return LAYERS[from.startsWith('platform/') ? 'platform' : from]?.includes(layer) ?? false;
}
