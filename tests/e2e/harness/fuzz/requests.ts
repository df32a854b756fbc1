/**
 * Requests of every kind for every route: plain ones that are right, ones with something wrong in
 * any part, and bytes that are no HTTP. All follow from a seed.
 */
import fc from 'fast-check';
import type { RouteInfo } from '../../../../packages/server/src/http/index.ts';
import { bodyFor, validBody } from './bodies.ts';
import { headersFor } from './headers.ts';
import type { Known } from './known-things.ts';
import { rawBytes } from './raw.ts';
import { nastyText } from './values.ts';

export interface FuzzRequest {
  /** `METHOD pattern` of the route it was made for. */
  readonly route: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Sent as they are, instead of all else. */
  readonly raw?: Buffer;
}

/** Routes that take a body have more in them that can be wrong. */
const WEIGHT_OF_BODIES = 4;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'];
const QUERY_NAMES = [
  ...['model', 'deployment', 'call_id', 'api-version', 'resume', 'intent', 'limit', 'offset'],
  ...['cursor', 'after', 'state', 'active', 'created_by', 'audio_type', 'token', 'return_to'],
  ...['subjects', 'last_event_id', 'ticket', 'format', 'repo_id', 'column', 'status'],
  ...['code', 'error', 'expires', 'signature', 'api-key', '__proto__', 'a[b]', 'limit[]', ''],
];

/** One plain and right request for each route. */
export function plainRequests(routes: readonly RouteInfo[], known: Known): FuzzRequest[] {
  return routes.map((route, at) => ({
    route: `${route.method} ${route.url}`,
    method: route.method,
    path: fill(route, known, at) + plainQuery(route, known),
    headers: {
      ...withoutCookie(route.url, known.admin),
      ...(route.url === '/audio/upload' && { 'session-id': known.sessions.at(-1)! }),
      ...validBody(route, known).headers,
    },
    body: validBody(route, known).body,
  }));
}

/** A request with something wrong; now and then with nothing. */
export function wrongRequest(
  routes: readonly RouteInfo[],
  known: Known,
): fc.Arbitrary<FuzzRequest> {
  const wrong = fc.oneof(
    ...routes.map(route => ({
      weight: route.method === 'POST' ? WEIGHT_OF_BODIES : 1,
      arbitrary: wrongFor(route, known),
    })),
  );
  const raw = fc.oneof(...routes.map(route => rawBytes(fill(route, known, 0), known)));
  const bytes = raw.map(raw => ({ route: 'raw bytes', method: 'RAW', path: '', headers: {}, raw }));
  return fc.oneof({ weight: 12, arbitrary: wrong }, { weight: 1, arbitrary: bytes });
}

function wrongFor(route: RouteInfo, known: Known): fc.Arbitrary<FuzzRequest> {
  return fc
    .record({
      method: fc.oneof(
        { weight: 5, arbitrary: fc.constant(route.method) },
        { weight: 1, arbitrary: fc.constantFrom(...METHODS) },
      ),
      path: fc.tuple(pathFor(route, known), queryFor(route, known)).map(parts => parts.join('')),
      headers: headersFor(known),
      content: bodyFor(route, known),
    })
    .map(({ method, path, headers, content }) => ({
      route: `${route.method} ${route.url}`,
      method,
      path,
      headers: { ...content.headers, ...withoutCookie(path, headers) },
      body: content.body,
    }));
}

/** Without the cookie, so that no request signs out the Admin who sends the others. */
function withoutCookie(
  path: string,
  { cookie, ...headers }: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return cookie === undefined || /logout/i.test(path) ? headers : { cookie, ...headers };
}

function plainQuery(route: RouteInfo, known: Known): string {
  if (route.url.startsWith('/blobs/')) return known.link.slice(known.link.indexOf('?'));
  if (route.url === '/v1/stream') return `?subjects=${known.endedRuns[0]}`;
  return /\/realtime\/?$|\/calls$/.test(route.url) ? '?model=gpt-realtime' : '';
}

const POOLS: readonly [string, (known: Known) => readonly string[]][] = [
  ['/recordings/', known => known.recordings],
  ['/api-keys', known => known.keys],
  ['/budgets', known => known.budgets],
  ['/provider-keys', known => known.providerKeys],
  ['/repos/', known => known.repos],
  ['/tasks/', known => known.tasks],
  ['/runs/:id/cancel', known => known.runs],
  ['/runs/:id/', known => known.endedRuns],
  ['/runs/', known => known.runs],
  ['/calls/', known => [known.call]],
  ['/model/', () => ['gemini-2.5-flash:generateContent']],
];

/** The route's path about a thing that exists, or did when the run began. */
function fill(route: RouteInfo, known: Known, pick: number): string {
  const { url } = route;
  if (url.startsWith('/blobs/')) return known.link.split('?')[0]!;
  const pool = POOLS.find(([part]) => url.includes(part))?.[1](known) ?? known.sessions;
  const id = pool[pick % pool.length]!;
  return url.replace(/:\w+/, id).replace(/\*$/, 'index.js');
}

function pathFor(route: RouteInfo, known: Known): fc.Arbitrary<string> {
  const plain = fc.nat({ max: 1000 }).map(pick => fill(route, known, pick));
  const odd = nastyText.map(text => route.url.replace(/:\w+|\*$/, escaped(text)));
  const bent = fc.tuple(plain, fc.constantFrom(...BENDS)).map(([path, bend]) => bend(path));
  const other = fc
    .array(nastyText, { maxLength: 4 })
    .map(parts => `/${parts.map(escaped).join('/')}`);
  return fc.oneof(
    { weight: 8, arbitrary: plain },
    { weight: 3, arbitrary: odd },
    { weight: 2, arbitrary: bent },
    { weight: 1, arbitrary: other },
  );
}

const BENDS: readonly ((path: string) => string)[] = [
  path => `/${path}`,
  path => `${path}/`,
  path => `${path}/..`,
  path => `/.${path}`,
  path => `/x/..${path}`,
  path => path.toUpperCase(),
  path => path.replaceAll('/', '%2f'),
  path => path.replaceAll('/', '\\'),
  path => `${path};x=1`,
  path => `${path}%00`,
  path => `${path}%`,
  path => `${path}%c0%af`,
  path => `${path}\u00e9`,
  path => `${path}${'/x'.repeat(500)}`,
  path => `${path}#fragment`,
  path => path + 'x'.repeat(9000),
];

function queryFor(route: RouteInfo, known: Known): fc.Arbitrary<string> {
  const pair = fc
    .tuple(fc.constantFrom(...QUERY_NAMES), nastyText)
    .map(([name, value]) => `${name}=${escaped(value)}`);
  const pairs = fc.array(pair, { minLength: 1, maxLength: 5 }).map(all => `?${all.join('&')}`);
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(plainQuery(route, known)) },
    { weight: 3, arbitrary: pairs },
    {
      weight: 1,
      arbitrary: fc.constantFrom('?', '?&&&', '?=', '?%', '?a', `?${'a=1&'.repeat(1500)}`),
    },
  );
}

/** Percent-encoded where it has to be to fit a request line; half of a pair becomes U+FFFD. */
function escaped(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}
