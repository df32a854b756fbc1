import { POSTGRES_PACKAGES } from './bundled.ts';
import type { LockedPackage } from './lock.ts';

/**
 * Licences under which what runs in a server or a browser may come. MPL-2.0 asks for changes of its
 * own files only, and nothing of it is changed here.
 */
const ALLOWED = new Set([
  ...['MIT', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0'],
  ...['Unlicense', 'CC0-1.0', 'MPL-2.0'],
]);

/**
 * What their scripts do is known, and nothing misses it: PostgreSQL's packages make links between
 * their libraries, as the server does where they are missing, and protobufjs prints a hint.
 */
const INSTALL_SCRIPTS = new Set([...POSTGRES_PACKAGES, 'protobufjs']);

/** One line for each package that breaks a rule: licence, integrity, install script. */
export function supplyFaults(packages: readonly LockedPackage[]): string[] {
  return packages.flatMap(({ name, version, ...one }) => {
    const faults: string[] = [];
    if (!one.isDev && !isAllowed(one.licence)) {
      faults.push(`its licence, ${one.licence ?? 'none'}, is not among those that are allowed`);
    }
    if (!one.hasIntegrity) faults.push('the lock file has no hash of it');
    if (one.hasInstallScript && !INSTALL_SCRIPTS.has(name)) {
      faults.push('it runs a script when it is installed');
    }
    return faults.map(fault => `${name} ${version}: ${fault}`);
  });
}

/** Of `A OR B` one must be allowed, of `A AND B` both; other expressions are not understood. */
function isAllowed(licence: string | undefined): boolean {
  if (licence === undefined) return false;
  const bare = licence.replace(/^\((.*)\)$/, '$1');
  if (/[()]/.test(bare)) return false;
  return bare.split(' OR ').some(one => one.split(' AND ').every(name => ALLOWED.has(name)));
}
