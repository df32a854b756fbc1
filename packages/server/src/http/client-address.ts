import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { all, compile } from '@fastify/proxy-addr';
import { HoldfastError } from '../kernel/index.ts';

/** `X-Forwarded-For` entries beyond this many hops are ignored. */
const MAX_HOPS = 10;

/** Where a request comes from: the socket's peer, or the client that a trusted proxy names. */
export interface ProxyTrust {
  /** The client's address. */
  addressOf(request: IncomingMessage): string | undefined;
  /** Whether the client used TLS. */
  secureOf(request: IncomingMessage): boolean;
}

/**
 * `X-Forwarded-For` is read from the right, and only as far as each hop is one of the `trusted`
 * addresses or ranges; entries further left come from the client and may be forged. Throws when a
 * range is malformed.
 */
export function createProxyTrust(trusted: readonly string[]): ProxyTrust {
  let isTrusted: ReturnType<typeof compile>;
  try {
    isTrusted = compile(trusted.flatMap(halvesOfAll));
  } catch (cause) {
    const { message } = cause as Error;
    const text = `A trusted proxy is no address and no range: ${message}.`;
    throw new HoldfastError('invalid_request', text, { cause });
  }
  return {
    addressOf(request) {
      const hops = all(request, (address, hop) => hop < MAX_HOPS && isTrusted(address, hop));
      return hops.findLast((hop, index) => index === 0 || isIP(hop) !== 0);
    },
    secureOf(request) {
      if ('encrypted' in request.socket) return true;
      const { remoteAddress } = request.socket;
      if (remoteAddress === undefined || !isTrusted(remoteAddress, 0)) return false;
      const protocols = String(request.headers['x-forwarded-proto'] ?? '').split(',');
      return protocols.at(-1)?.trim() === 'https';
    },
  };
}

/** The parser refuses a range of all addresses, but takes its halves. */
function halvesOfAll(range: string): string[] {
  const [, address] = /^([\d.]+|[\da-f:.]+)\/0+$/i.exec(range) ?? [];
  const version = isIP(address ?? '');
  if (version === 4) return ['0.0.0.0/1', '128.0.0.0/1'];
  return version === 6 ? ['::/1', '8000::/1'] : [range];
}
