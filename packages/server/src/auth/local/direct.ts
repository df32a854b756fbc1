import ipaddr from 'ipaddr.js';
import type { GuardedRequest } from '../../http/index.ts';
import { HoldfastError } from '../../kernel/index.ts';
import { isUnsafe, type OriginRules, originOf } from '../origin.ts';

/**
 * Local mode trusts every user of this machine, so it must be sure that the request comes from it
 * and was intended. Threats, in the order of the checks:
 * - a proxy or tunnel that makes the outside look like loopback: forwarding headers are refused;
 * - a peer on another machine: the socket's address must be loopback;
 * - DNS rebinding, where another site's name resolves to 127.0.0.1: `Host` must be ours;
 * - pages of other sites that post forms or open sockets to localhost: `Origin` must be ours.
 */
export interface DirectRules extends OriginRules {
  /** Host names besides the loopback ones, without a port. */
  readonly hosts: ReadonlySet<string>;
}

const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);
const FORWARDING = ['forwarded', 'via', 'x-real-ip'];

/** Throws `forbidden` for every request that local mode must not serve. */
export function checkDirect(request: GuardedRequest, rules: DirectRules): void {
  const forwarding = Object.keys(request.headers).find(
    name => FORWARDING.includes(name) || name.startsWith('x-forwarded-'),
  );
  if (forwarding !== undefined) {
    throw refused(
      `This request came through a proxy (${forwarding}). Without an identity provider only ` +
        'direct requests from this machine are served; set HOLDFAST_OIDC_ISSUER to serve others.',
    );
  }
  if (!isLoopback(request.remoteAddress)) {
    throw refused('Without an identity provider only requests from this machine are served.');
  }
  if (!isOwnHost(request.headers.host, rules.hosts)) {
    throw refused('The Host header names another host. Use localhost or 127.0.0.1.');
  }
  if (isUnsafe(request) && originOf(request, rules) === 'foreign') {
    throw refused('Pages of other origins may not do this. List theirs in HOLDFAST_CORS_ORIGINS.');
  }
}

export function isLoopback(address: string | undefined): boolean {
  if (address === undefined || !ipaddr.isValid(address)) return false;
  return ipaddr.process(address).range() === 'loopback';
}

function isOwnHost(host: string | undefined, hosts: ReadonlySet<string>): boolean {
  const match = /^(\[[0-9a-f:.]+\]|[^:@/\s]+)(:\d{1,5})?$/i.exec(host ?? '');
  const name = match?.[1]?.toLowerCase();
  return name !== undefined && (LOOPBACK_HOSTS.has(name) || hosts.has(name));
}

function refused(text: string): HoldfastError {
  return new HoldfastError('forbidden', text);
}
