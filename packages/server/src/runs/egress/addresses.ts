import { lookup } from 'node:dns/promises';
import ipaddr from 'ipaddr.js';
import { within } from '../../kernel/index.ts';

/** All addresses of a name; throws for a name without one. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** The only block of IPv6 assigned to networks on the internet. */
const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3');
/** Plain unicast by number, but never a host on the internet. */
const NOT_PUBLIC = [
  // The host of every virtual machine on Azure.
  ipaddr.parseCIDR('168.63.129.16/32'),
  // For benchmarks (RFC 2544).
  ipaddr.parseCIDR('198.18.0.0/15'),
];

/**
 * Whether an address, as text, is one of the internet's. IPv4 within IPv6 is judged as IPv4. Only
 * plain unicast is public; text that is no address is not.
 */
export function isPublic(text: string): boolean {
  const bare = text.replace(/%.*$/, '');
  if (!ipaddr.isValid(bare)) return false;
  const address = ipaddr.process(bare);
  if (address.range() !== 'unicast') return false;
  if (address.kind() === 'ipv6') return address.match(GLOBAL_IPV6);
  return !NOT_PUBLIC.some(range => address.match(range));
}

/**
 * Resolves a host to at least one address, by default with the system's resolver. Throws for none,
 * and after `timeoutMs`.
 */
export async function resolveHost(
  host: string,
  options: { readonly timeoutMs: number; readonly resolve?: Resolve | undefined },
): Promise<readonly string[]> {
  const resolve: Resolve =
    options.resolve ??
    (async name => (await lookup(name, { all: true })).map(({ address }) => address));
  const addresses = await within(resolve(host), options.timeoutMs, () => {
    throw new Error('late');
  });
  if (addresses.length === 0) throw new Error('no address');
  return addresses;
}
