import type { Fault } from '../fault.ts';
import { type Import, importsOf } from '../imports.ts';
import type { Project, SourceFile } from '../project.ts';

/**
 * Who may import whom. Packages: protocol stands alone, client and simulator lean on it, the
 * console on client and protocol, the server on protocol. Within the server:
 *
 *     protocol, kernel ← platform, http ← features ← wiring and the files at the top
 *
 * and between its folders only through `index.ts`. Tests may look anywhere, through the same doors
 * and through `testing`.
 */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  client: ['protocol'],
  simulator: ['protocol'],
  console: ['client', 'protocol'],
  server: ['protocol'],
  lab: ['client', 'protocol'],
};

const FEATURES: Readonly<Record<string, readonly string[]>> = {
  auth: [],
  models: ['auth'],
  recordings: ['auth'],
  realtime: ['auth', 'models', 'recordings'],
  runs: ['auth', 'models'],
  meetings: ['auth', 'models', 'recordings', 'runs'],
  chaos: ['auth'],
};

/** Factories of adapters: only `compose.ts` chooses between them. */
const ADAPTER =
  /^(open|create)(Pglite|Postgres|Redis|Process|Filesystem|Azure|Environment|KeyVault)/;
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

/** `kernel`, `platform/log`, `realtime`; `top` for the files beside the folders and `wiring/`. */
function folderOf(path: string): string {
  const parts = path.slice(SERVER.length).split('/');
  if (parts.length === 1 || parts[0] === 'wiring') return 'top';
  return parts[0] === 'platform' ? parts.slice(0, 2).join('/') : parts[0]!;
}

function isDoor(target: string, fromTest: boolean): boolean {
  const inside = target.slice(`${SERVER}${folderOf(target)}/`.length);
  if (folderOf(target) === 'top' || inside === 'index.ts') return true;
  return fromTest && /(^|\/)testing(\/|-|\.ts$)/.test(inside);
}

function mayImport(from: string, to: string): boolean {
  if (from === 'top') return true;
  if (to === 'kernel') return true;
  if (to.startsWith('platform/')) return from !== 'kernel' && from !== 'config';
  if (to === 'http') return from in FEATURES;
  return FEATURES[from]?.includes(to) ?? false;
}
