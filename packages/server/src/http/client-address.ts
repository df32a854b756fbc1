import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';
import { HoldfastError } from '../kernel/index.ts';

type Range = ReturnType<typeof ipaddr.parseCIDR>;

/** Longer chains of proxies than this are not believed. */
const MAX_HOPS = 10;

/** Where a request comes from: the peer itself, or what a proxy of ours says. */
export interface ProxyTrust {
  /** The client's address. */
  addressOf(request: IncomingMessage): string | undefined;
  /** Whether the client used TLS. */
  secureOf(request: IncomingMessage): boolean;
}

/**
 * `X-Forwarded-For` is read from the right, and only as far as each hop is one of the `trusted`
 * addresses or ranges; whatever a stranger wrote further left is never believed. Throws when a
 * range is malformed.
 */
export function createProxyTrust(trusted: readonly string[]): ProxyTrust {
  const ranges = trusted.map(parseRange);
  const isTrusted = (address: string | undefined): boolean => {
    if (ranges.length === 0 || address === undefined || !ipaddr.isValid(address)) return false;
    const parsed = ipaddr.process(address);
    return ranges.some(
      ([range, bits]) => range.kind() === parsed.kind() && parsed.match(range, bits),
    );
  };
  return {
    addressOf(request) {
      let client = request.socket.remoteAddress;
      const hops = headerValues(request, 'x-forwarded-for').toReversed();
      for (const hop of hops.slice(0, MAX_HOPS)) {
        if (!isTrusted(client) || !ipaddr.isValid(hop)) break;
        client = hop;
      }
      return client;
    },
    secureOf(request) {
      if ('encrypted' in request.socket) return true;
      if (!isTrusted(request.socket.remoteAddress)) return false;
      return headerValues(request, 'x-forwarded-proto').at(-1) === 'https';
    },
  };
}

function headerValues(request: IncomingMessage, name: string): string[] {
  const value = request.headers[name];
  const text = Array.isArray(value) ? value.join(',') : (value ?? '');
  return text.split(',').map(part => part.trim());
}

function parseRange(text: string): Range {
  try {
    if (text.includes('/')) return ipaddr.parseCIDR(text);
    const address = ipaddr.process(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch (cause) {
    throw new HoldfastError('invalid_request', `${text} is no address and no range.`, { cause });
  }
}
