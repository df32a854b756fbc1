import type { IncomingMessage } from 'node:http';

/** Meant for the next hop only (RFC 9110, 7.6.1); the proxy has already answered `expect`. */
const HOP_BY_HOP = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The headers that go on to the other side, each with all of its values. */
export function endToEnd(message: IncomingMessage): Record<string, string[]> {
  const named = (message.headers.connection ?? '').toLowerCase().split(/[\s,]+/);
  const dropped = new Set([...HOP_BY_HOP, ...named]);
  const kept: Record<string, string[]> = {};
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    if (values !== undefined && !dropped.has(name)) kept[name] = values;
  }
  return kept;
}

/** The same for a request, with `host` as its host and the client's framing. */
export function requestHeaders(
  request: IncomingMessage,
  host: string,
): Record<string, string | string[]> {
  const isChunked = request.headers['transfer-encoding'] !== undefined;
  return {
    ...endToEnd(request),
    host,
    ...(isChunked && { 'transfer-encoding': 'chunked' }),
  };
}
