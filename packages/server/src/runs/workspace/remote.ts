import ipaddr from 'ipaddr.js';
import { HoldfastError } from '../../kernel/index.ts';
import { GitError, git, SSH } from './git.ts';
import type { RepositorySource } from './workspace.ts';

/** A repository as git gets it. */
export interface Remote {
  readonly address: string;
  /** The only transports git may use for it. */
  readonly protocols: string;
  readonly env: Readonly<Record<string, string>>;
}

type Env = Readonly<Record<string, string>>;

/**
 * Environment of a remote besides its address, such as `GIT_SSH_COMMAND` or `GIT_ASKPASS`. Called
 * each time before git connects; throws where git must not connect.
 */
export type RemoteEnv = (source: RepositorySource) => Env | Promise<Env>;

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'https:': '443', 'ssh:': '22' };
const PROTOCOLS: Readonly<Record<string, string>> = { 'https:': 'https', 'ssh:': 'ssh' };

/** Throws `unprocessable` for an address that is not plainly https, ssh or a local folder. */
export function remoteOf(source: RepositorySource, env: Env): Remote {
  if (source.path !== null) {
    if (!source.path.startsWith('/') || source.path.includes('\0')) throw badAddress('path');
    return { address: source.path, protocols: 'file', env };
  }
  const url = source.url ?? '';
  const protocol = URL.canParse(url) ? PROTOCOLS[new URL(url).protocol] : undefined;
  // ssh takes a host that starts with a dash for an option.
  const host = protocol === undefined ? '' : new URL(url).hostname;
  if (protocol === undefined || host === '' || host.startsWith('-') || /[\s\0]/.test(url)) {
    throw badAddress('url');
  }
  return { address: url, protocols: protocol, env };
}

/**
 * Environment with which git connects to one of `addresses` and nowhere else, while names in
 * certificates and host keys stay those of `url`: a name that was checked may lead elsewhere by the
 * time git asks for it. `url` is https or ssh with a plain host.
 */
export function pinned(url: URL, addresses: readonly string[]): Record<string, string> {
  const [first] = addresses;
  if (first === undefined || ipaddr.isValid(url.hostname.replace(/^\[|\]$/g, ''))) return {};
  const port = url.port || DEFAULT_PORTS[url.protocol]!;
  if (url.protocol === 'ssh:') {
    const alias = port === '22' ? url.hostname : `[${url.hostname}]:${port}`;
    return { GIT_SSH_COMMAND: `${SSH} -oHostName='${first}' -oHostKeyAlias='${alias}'` };
  }
  const list = addresses.map(one => (one.includes(':') ? `[${one}]` : one)).join(',');
  return {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'http.curloptResolve',
    GIT_CONFIG_VALUE_0: `${url.hostname}:${port}:${list}`,
  };
}

/** Names and commits of a remote's refs that match `patterns`; `HEAD`'s target as `symref`. */
export async function listRemote(
  remote: Remote,
  patterns: readonly string[],
  timeoutMs: number,
): Promise<{ refs: Map<string, string>; head: string | null }> {
  const args = ['ls-remote', '--symref', '--', remote.address, ...patterns];
  const output = await talk(() => git(args, { ...remote, timeoutMs }));
  const refs = new Map<string, string>();
  let head: string | null = null;
  for (const line of output.toString('utf8').split('\n')) {
    const symref = /^ref: (refs\/heads\/\S+)\tHEAD$/.exec(line);
    if (symref) head = symref[1]!.slice('refs/heads/'.length);
    const ref = /^([0-9a-f]{40})\t(\S+)$/.exec(line);
    if (ref) refs.set(ref[2]!, ref[1]!);
  }
  return { refs, head };
}

/**
 * Turns git's errors about a remote into a `HoldfastError`; git's own message goes to the log only.
 */
export async function talk<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof GitError)) throw cause;
    if (cause.code === null) {
      throw new HoldfastError('unavailable', 'The repository did not answer in time.', { cause });
    }
    throw new HoldfastError(
      'unprocessable',
      'The repository cannot be read: there is none, it is not reachable, or access is denied.',
      { cause },
    );
  }
}

function badAddress(field: string): HoldfastError {
  const detail = 'A repository is an https:// or ssh:// address, or an absolute folder.';
  return new HoldfastError('unprocessable', detail, { field });
}
