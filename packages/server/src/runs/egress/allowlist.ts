import { authorityOf, type Target } from './target.ts';

/** One host, or with `*.` every host below it at any depth; without a port the web's two. */
interface Rule {
  readonly host: string;
  readonly below: boolean;
  readonly port: number | null;
}

const WEB_PORTS: readonly number[] = [80, 443];

/** Which targets are on a list of `host`, `*.suffix`, `host:port` and `*.suffix:port`. */
export function createAllowlist(entries: readonly string[]): (target: Target) => boolean {
  const rules = entries.map(parseRule);
  return target => rules.some(rule => isMeant(rule, target));
}

/** Which targets an operator trusts although they are private: `host` or `host:port`. */
export function createPrivateHosts(entries: readonly string[]): (target: Target) => boolean {
  const known = new Set(entries.map(entry => entry.toLowerCase()));
  return target => {
    const { host, port } = target;
    const bare = host.includes(':') ? `[${host}]` : host;
    return known.has(host) || known.has(bare) || known.has(authorityOf({ host, port }));
  };
}

function parseRule(entry: string): Rule {
  const [, star, host = '', port] = /^(\*\.)?(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(entry) ?? [];
  const { hostname } = new URL(`http://${host}`);
  return {
    host: hostname.replace(/^\[|\]$/g, '').replace(/\.$/, ''),
    below: star !== undefined,
    port: port === undefined ? null : Number(port),
  };
}

function isMeant(rule: Rule, { host, port }: Target): boolean {
  if (rule.port === null ? !WEB_PORTS.includes(port) : rule.port !== port) return false;
  return rule.below ? host.endsWith(`.${rule.host}`) : host === rule.host;
}
