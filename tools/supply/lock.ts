/** A package of the lock file, once for each version and place. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression; undefined where the package states none. */
  readonly licence: string | undefined;
  /** Whether only development needs it. */
  readonly isDev: boolean;
  readonly hasIntegrity: boolean;
  readonly hasInstallScript: boolean;
}

interface LockEntry {
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
}

/** What comes from outside; our own packages are left out. */
export function lockedPackages(lockText: string): LockedPackage[] {
  const { packages } = JSON.parse(lockText) as { packages: Record<string, LockEntry> };
  const outside = Object.entries(packages).filter(
    ([path, entry]) => path.includes('node_modules/') && !entry.link,
  );
  return outside.map(([path, entry]) => ({
    name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
    version: entry.version,
    licence: entry.license,
    isDev: entry.dev === true,
    hasIntegrity: entry.integrity !== undefined,
    hasInstallScript: entry.hasInstallScript === true,
  }));
}
