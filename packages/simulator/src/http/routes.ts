/**
 * The providers' REST routes; OpenAI's under `/v1` and `/openai/v1` (Azure) alike.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type App, authorize, toHttpError } from '../app.ts';
import { clientSecretRequest } from '../client-secrets.ts';
import type { Route } from '../faults/fault.ts';
import { befallRequest } from '../faults/rules.ts';
import { INSPECT_PREFIX, inspect } from '../inspect/routes.ts';
import { toProtocolError } from '../session/client-events.ts';
import {
  applyRequest,
  defaultConfig,
  parseSessionRequest,
  type SessionRequest,
  shownConfig,
} from '../session/config.ts';
import { TEXT_ROUTES } from '../text/routes.ts';
import { translationRequest } from '../translation/session.ts';
import { credentialOf } from './auth.ts';
import { readJson } from './body.ts';
import { accept, createCall, hangUp, refer, reject } from './calls.ts';
import { HttpError, sendJson, sendRefusal } from './respond.ts';
import type { RouteContext } from './route.ts';

interface RouteEntry {
  name: Route;
  pattern: RegExp;
  handle(context: RouteContext): Promise<void>;
}

const BASE = '^/(?:openai/)?v1/realtime';
const ROUTES: RouteEntry[] = [
  {
    name: 'client_secrets',
    pattern: new RegExp(`${BASE}/client_secrets$`),
    handle: createClientSecret,
  },
  {
    name: 'client_secrets',
    pattern: new RegExp(`${BASE}/translations/client_secrets$`),
    handle: createTranslationSecret,
  },
  { name: 'calls', pattern: new RegExp(`${BASE}/calls$`), handle: createCall },
  { name: 'accept', pattern: new RegExp(`${BASE}/calls/([^/]+)/accept$`), handle: accept },
  { name: 'reject', pattern: new RegExp(`${BASE}/calls/([^/]+)/reject$`), handle: reject },
  { name: 'refer', pattern: new RegExp(`${BASE}/calls/([^/]+)/refer$`), handle: refer },
  { name: 'hangup', pattern: new RegExp(`${BASE}/calls/([^/]+)/hangup$`), handle: hangUp },
  ...TEXT_ROUTES.map(route => ({ name: 'text' as const, ...route })),
];
const DEFAULT_MODEL = 'gpt-realtime';

/** Answers one HTTP request, with 500 for an unexpected error. */
export async function route(app: App, request: IncomingMessage, response: ServerResponse) {
  response.setHeader('x-request-id', app.random.id('req'));
  try {
    await dispatch(app, request, response);
  } catch (error) {
    const known = toHttpError(error);
    const refusal =
      known instanceof HttpError
        ? known.refusal
        : { status: 500, type: 'server_error', code: null, message: 'Internal error.' };
    sendRefusal(response, refusal);
  }
}

async function dispatch(app: App, request: IncomingMessage, response: ServerResponse) {
  const url = new URL(request.url ?? '/', 'http://simulator');
  if (url.pathname.startsWith(INSPECT_PREFIX)) return inspect(app, request, response);
  allowBrowsers(response);
  if (request.method === 'OPTIONS') {
    response.writeHead(204).end();
    return;
  }
  for (const { name, pattern, handle } of ROUTES) {
    const match = pattern.exec(url.pathname);
    if (match === null) continue;
    if (request.method !== 'POST') throw new HttpError(405, 'Method not allowed.');
    const model = url.searchParams.get('model') ?? undefined;
    const rules = app.faults.take(name, model);
    const refuse = (refusal: HttpError['refusal']) => sendRefusal(response, refusal);
    const loseAnswer = (afterMs: number) => {
      response.end = () => {
        setTimeout(() => response.destroy(), afterMs).unref();
        return response;
      };
    };
    if (await befallRequest(rules, { socket: request.socket, refuse, loseAnswer })) return;
    return handle({ app, request, response, url, rules, params: match.slice(1) });
  }
  throw new HttpError(404, `Invalid URL (${request.method} ${url.pathname.slice(0, 200)})`);
}

/** Browsers call the provider directly with a client secret, so any origin may. */
function allowBrowsers(response: ServerResponse): void {
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-allow-headers', '*, authorization');
  response.setHeader('access-control-allow-methods', 'GET, POST, OPTIONS');
  response.setHeader('access-control-expose-headers', 'location, x-request-id');
}

async function createClientSecret({ app, request, response, url }: RouteContext): Promise<void> {
  authorize(app, credentialOf(request, url));
  const result = clientSecretRequest.safeParse(await readJson(request));
  if (!result.success) throw toProtocolError(result.error.issues[0]!);
  const { session: given, expires_after } = result.data;
  const session: SessionRequest | undefined =
    given === undefined ? undefined : parseSessionRequest(given);
  const secret = app.secrets.create({ session }, expires_after.seconds, app.clock.nowMs());
  const asked = session ?? { type: 'realtime' as const };
  const { type, model = DEFAULT_MODEL } = asked;
  const config = defaultConfig(app.random.id('sess'), model, secret.expiresAtS, type);
  sendJson(response, 200, {
    value: secret.value,
    expires_at: secret.expiresAtS,
    session: shownConfig(applyRequest(config, asked)),
  });
}

async function createTranslationSecret(context: RouteContext): Promise<void> {
  const { app, request, response, url } = context;
  authorize(app, credentialOf(request, url));
  const result = clientSecretRequest
    .extend({ session: translationRequest })
    .safeParse(await readJson(request));
  if (!result.success) throw toProtocolError(result.error.issues[0]!);
  const { session: translation, expires_after } = result.data;
  const secret = app.secrets.create({ translation }, expires_after.seconds, app.clock.nowMs());
  const { model, audio = {} } = translation;
  const id = app.random.id('sess');
  sendJson(response, 200, {
    value: secret.value,
    expires_at: secret.expiresAtS,
    session: { id, type: 'translation', model, audio, expires_at: secret.expiresAtS },
  });
}
