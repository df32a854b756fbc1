import type { IncomingHttpHeaders } from 'node:http';
import { HoldfastError } from '../kernel/index.ts';
import type { ErrorShape, RouteInfo } from './route.ts';

/**
 * What is said of a path that no route has, in the protocol of who asks. That is the error shape of
 * the routes that share most of the path's first segments, where they have one: a client of
 * `/v1/realtime/x` reads what it reads at `/v1/realtime`. Where those routes differ, OpenAI's own
 * clients are known by their name; all others get ours.
 */
export interface Nearest {
  readonly shape: ErrorShape;
  readonly error: HoldfastError;
}

/** A part of somebody's API that is not offered here, in words for its clients. */
export interface Absent {
  /** The path that it begins with. */
  readonly path: string;
  readonly shape: ErrorShape;
  readonly detail: string;
  /** What is offered instead. */
  readonly offered: readonly string[];
}

/** Routes that one answer names. */
const NAMED_MAX = 20;
/** `OpenAI/JS 7.57.0`, `AsyncAzureOpenAI/Python 2.1.0`. Source: the clients' `getUserAgent`. */
const OPENAI_CLIENT = /^(?:Async)?(?:Azure)?OpenAI\//;

export function nearestTo(
  path: string,
  headers: IncomingHttpHeaders,
  known: { readonly routes: readonly RouteInfo[]; readonly absent: readonly Absent[] },
): Nearest {
  const { routes, absent } = known;
  const missing = absent.find(one => path === one.path || path.startsWith(`${one.path}/`));
  if (missing !== undefined) {
    const { shape, detail, offered } = missing;
    return { shape, error: new HoldfastError('not_found', detail, { allowed: offered }) };
  }
  const near = sharingMost(path, routes);
  const shapes = new Set(near.map(route => route.errors));
  const [only = 'problem'] = shapes;
  const shape = shapes.size > 1 ? shapeOfCaller(headers) : only;
  const offered = near.filter(route => route.errors === shape).map(nameOf);
  // Ours are too many to be named, and documented at one place.
  const allowed = shape === 'problem' ? [] : [...new Set(offered)].slice(0, NAMED_MAX);
  const error = new HoldfastError('not_found', 'No such route.', {
    ...(allowed.length > 0 && { allowed }),
  });
  return { shape, error };
}

function shapeOfCaller(headers: IncomingHttpHeaders): ErrorShape {
  return OPENAI_CLIENT.test(headers['user-agent'] ?? '') ? 'openai' : 'problem';
}

/** The routes that begin with as many of the path's segments as any does; none for none. */
function sharingMost(path: string, routes: readonly RouteInfo[]): RouteInfo[] {
  const segments = path.split('/').slice(1);
  let most = 1;
  let near: RouteInfo[] = [];
  for (const route of routes) {
    if (route.method === 'HEAD' || route.method === 'OPTIONS') continue;
    const own = route.url.split('/').slice(1);
    const differs = segments.findIndex((segment, at) => segment !== own[at]);
    const shared = differs === -1 ? segments.length : differs;
    if (shared > most) near = [];
    most = Math.max(most, shared);
    if (shared === most) near.push(route);
  }
  return near;
}

const nameOf = ({ method, url }: RouteInfo) => `${method === 'WS' ? 'WebSocket' : method} ${url}`;
