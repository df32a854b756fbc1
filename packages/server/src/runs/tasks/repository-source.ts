import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, normalize } from 'node:path';
import ipaddr from 'ipaddr.js';
import { HoldfastError } from '../../kernel/index.ts';
import { isPublic, type Resolve, resolveHost } from '../egress/addresses.ts';
import { pinned, type RemoteEnv } from '../workspace/index.ts';

/**
 * Which repositories may be added: `https://` and `ssh://` on public addresses, or a folder of this
 * machine in local mode. Everything else that git would accept is refused here, before it reaches a
 * command line.
 */
export interface SourceChecks {
  /** `HOLDFAST_ALLOWED_HOSTS`: names that may be private, `host` or `host:port`. */
  readonly allowedHosts: readonly string[];
  readonly localMode: boolean;
  /** All addresses of a name; throws for a name without one. Default: the system's resolver. */
  readonly resolve?: Resolve;
}

const HOST = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.?$/i;
const SSH_USER = /^[a-z_][a-z0-9_.-]{0,63}$/i;
const RESOLVE_TIMEOUT_MS = 5_000;

/**
 * For git, each time before it connects: the address is checked again, because the name may have
 * changed, and git may connect to the checked addresses only.
 */
export function pinRemote(checks: SourceChecks): RemoteEnv {
  return async ({ url: text }) => {
    if (text === null) return {};
    const url = new URL(text);
    return pinned(url, await checkHost(url, checks));
  };
}

/** The URL as it is stored; throws `unprocessable`, without the URL in its text. */
export async function checkRepositoryUrl(text: string, checks: SourceChecks): Promise<string> {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (/[\u0000-\u0020\u007f\\]/.test(text)) throw refused('holds spaces or control characters');
  if (!URL.canParse(text) || /^[a-z0-9+.-]+::/i.test(text)) {
    throw refused('is not `https://host/path` or `ssh://user@host/path`');
  }
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'ssh:') {
    throw refused('must begin with `https://` or `ssh://`');
  }
  checkParts(url);
  await checkHost(url, checks);
  return url.href;
}

function checkParts(url: URL): void {
  if (url.password !== '') throw refused('must not hold a password');
  if (url.username !== '' && url.protocol === 'https:') throw refused('must not hold credentials');
  if (url.username !== '' && !SSH_USER.test(url.username)) throw refused('names no usable user');
  if (url.search !== '' || url.hash !== '') throw refused('must not hold a query or a fragment');
  if (url.pathname.length < 2 || url.pathname.includes('/-')) throw refused('names no repository');
}

/** The addresses of the host; none for a name that an operator trusts. */
async function checkHost(url: URL, checks: SourceChecks): Promise<readonly string[]> {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (!ipaddr.isValid(host) && !HOST.test(host)) throw refused('names no usable host');
  const allowed = checks.allowedHosts.map(one => one.toLowerCase());
  if (allowed.includes(host) || allowed.includes(url.host.toLowerCase())) return [];
  const addresses = ipaddr.isValid(host) ? [host] : await addressesOf(host, checks);
  if (addresses.every(isPublic)) return addresses;
  throw outOfReach();
}

async function addressesOf(host: string, checks: SourceChecks): Promise<readonly string[]> {
  try {
    return await resolveHost(host, { timeoutMs: RESOLVE_TIMEOUT_MS, resolve: checks.resolve });
  } catch (cause) {
    throw outOfReach(cause);
  }
}

/** One answer for both, so that it maps no private network. */
function outOfReach(cause?: unknown): HoldfastError {
  return refused(
    'names a host that cannot be found or is on a private address, which an operator may allow ' +
      'with HOLDFAST_ALLOWED_HOSTS',
    cause,
  );
}

function refused(why: string, cause?: unknown): HoldfastError {
  return new HoldfastError('unprocessable', `url ${why}.`, { field: 'url', cause });
}

/** The folder as it is stored; throws `unprocessable`. */
export async function checkRepositoryPath(path: string, checks: SourceChecks): Promise<string> {
  if (!checks.localMode) {
    throw new HoldfastError('unprocessable', 'path is accepted in local mode only; give a url.', {
      field: 'path',
    });
  }
  if (!isAbsolute(path) || path.includes('\0')) throw badPath('must be an absolute path');
  // The present target: a link could change later, and /proc differs by process.
  const folder = await realpath(path).catch(() => normalize(path));
  const isRepository =
    (await exists(join(folder, '.git'))) ||
    ((await exists(join(folder, 'HEAD'))) && (await exists(join(folder, 'objects'))));
  if (!isRepository) throw badPath('is not the folder of a git repository');
  return folder;
}

function badPath(why: string): HoldfastError {
  return new HoldfastError('unprocessable', `path ${why}.`, { field: 'path' });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** A repository's name where none is given: the last part of its address. */
export function defaultName(source: string): string {
  const last = source.replace(/\/+$/, '').split('/').at(-1) ?? '';
  const name = decode(last.replace(/\.git$/, '')).replaceAll(/\p{Cc}/gu, ' ');
  return name.trim().slice(0, 100) || 'repository';
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
