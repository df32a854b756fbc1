import { EgressError } from './egress-error.ts';

/** The host and port that a client asks for. */
export interface Target {
  /** Lower case, without a dot at its end, addresses in their usual form and without brackets. */
  readonly host: string;
  readonly port: number;
}

const AUTHORITY = /^([a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(\d{1,5}))?$/i;
const HTTP_PORT = 80;

/** The target of `CONNECT host:port`. Throws `EgressError`. */
export function connectTarget(authority: string): Target {
  return targetOf(authority) ?? malformed('CONNECT needs host:port.');
}

/** Target and path of a request in absolute form, `http://host/path`. Throws `EgressError`. */
export function absoluteTarget(text: string): { target: Target; path: string } {
  const [, authority, rest] = /^http:\/\/([^/?#]*)([^#]*)$/i.exec(text) ?? [];
  const target = authority === undefined ? undefined : targetOf(authority, HTTP_PORT);
  if (target === undefined) {
    return malformed('This is a proxy: it takes CONNECT, and requests for http://host/path.');
  }
  return { target, path: rest?.startsWith('/') ? rest : `/${rest}` };
}

/** As it is written in settings and headers. */
export function authorityOf({ host, port }: Target): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function targetOf(authority: string, defaultPort?: number): Target | undefined {
  const [, host = '', portText] = AUTHORITY.exec(authority) ?? [];
  const port = portText === undefined ? defaultPort : Number(portText);
  if (host === '' || port === undefined || port < 1 || port > 65_535) return undefined;
  // Addresses have many spellings (`0x7f.1`); only one of them may be compared with a list.
  if (!URL.canParse(`http://${host}`)) return undefined;
  const { hostname } = new URL(`http://${host}`);
  const plain = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  return plain === '' ? undefined : { host: plain, port };
}

function malformed(detail: string): never {
  throw new EgressError('http_request_error', detail);
}
