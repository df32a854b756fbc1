import ipaddr from 'ipaddr.js';
import { SSH } from './git.ts';

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'https:': '443', 'ssh:': '22' };

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
