import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod, ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { HoldfastError, isLoopbackHost } from '../kernel/index.ts';
import { CONSOLE_MAX_S, type Provided } from './console-sessions.ts';
import type { Auth } from './create-auth.ts';
import { cookiesOf } from './credentials.ts';
import { LOCAL_USER } from './local/identity.ts';
import { personFromSignIn } from './oidc/identity.ts';
import { SIGN_IN_TTL_S } from './oidc/sign-in.ts';
import { originOf } from './origin.ts';
import type { Person } from './person.ts';
import { DEFAULT_PROJECT } from './projects.ts';
import { noProject, unauthenticated } from './unauthenticated.ts';

const CONFIG = { policy: 'public.auth' } as const;
const TAGS = ['sign-in'];
const LOGOUT_MAX_BYTES = 32 * 1024;
/** A link preview that asks by HEAD must not use up a one-time link. */
const GET_ONLY = { config: CONFIG, exposeHeadRoute: false } as const;

/** Sign-in and sign-out of the console. */
export function signInRoutes(auth: Auth): FastifyPluginAsyncZod {
  return async app => {
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store');
    });
    app.get(
      '/auth/local',
      {
        ...GET_ONLY,
        schema: {
          tags: TAGS,
          summary: 'The one-time link of local mode',
          querystring: z.object({ token: z.string().max(200) }),
        },
      },
      async (request, reply) => followLink(auth, request, reply, request.query.token),
    );
    app.get(
      '/auth/login',
      {
        ...GET_ONLY,
        schema: {
          tags: TAGS,
          summary: 'Go to the identity provider',
          querystring: z.object({ return_to: z.string().max(512).optional() }),
        },
      },
      async (request, reply) => login(auth, request, reply, request.query.return_to),
    );
    app.get(
      '/auth/callback',
      { ...GET_ONLY, schema: { tags: TAGS, summary: 'Come back from the identity provider' } },
      async (request, reply) => callback(auth, request, reply),
    );
    app.post(
      '/auth/logout',
      {
        config: CONFIG,
        schema: {
          tags: TAGS,
          summary: 'Sign out',
          response: { 200: z.object({ redirect: z.string().describe('Where to go next.') }) },
        },
      },
      async (request, reply) => reply.send(await logout(auth, request, reply)),
    );
    addBackChannelLogout(app, auth);
  };
}

/** Source: OpenID Connect Back-Channel Logout 1.0, §2.5. */
function addBackChannelLogout(plain: FastifyInstance, auth: Auth): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: LOGOUT_MAX_BYTES },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  );
  app.post(
    '/auth/backchannel-logout',
    {
      config: { policy: 'public.logout' },
      schema: {
        tags: TAGS,
        summary: 'For the identity provider: ends sign-ins',
        consumes: ['application/x-www-form-urlencoded'],
        body: z.object({ logout_token: z.string() }),
      },
    },
    async (request, reply) => {
      if (auth.oidc === null) throw new HoldfastError('not_found', 'No such route.');
      const person = await auth.oidc.logout.end(request.body.logout_token);
      await auth.audit.record({
        principal: person ?? 'identity_provider',
        projectId: null,
        action: 'console.back_channel_logout',
        outcome: 'allowed',
        requestId: request.id,
      });
      return reply.status(200).send();
    },
  );
}

async function followLink(auth: Auth, request: FastifyRequest, reply: FastifyReply, token: string) {
  if (auth.mode !== 'local') throw new HoldfastError('not_found', 'No such route.');
  if (!auth.links.redeem(token)) {
    throw new HoldfastError(
      'unauthenticated',
      'This link was used or has expired. The server prints a new one when it starts.',
    );
  }
  const person: Person = { ...LOCAL_USER, roles: { [DEFAULT_PROJECT]: 'Admin' } };
  return startSession(auth, { request, reply, person, returnTo: '/' });
}

async function login(
  auth: Auth,
  request: FastifyRequest,
  reply: FastifyReply,
  returnTo: string | undefined,
) {
  const { url, cookie } = await signInOf(auth).begin(baseUrl(auth, request), returnTo);
  reply.header('set-cookie', auth.cookies.signIn(cookie, SIGN_IN_TTL_S));
  return reply.redirect(url, 302);
}

async function callback(auth: Auth, request: FastifyRequest, reply: FastifyReply) {
  const signIn = signInOf(auth);
  const pending = cookiesOf(request)[auth.cookies.signInName];
  reply.header('set-cookie', auth.cookies.clearSignIn());
  const here = new URL(request.url, baseUrl(auth, request));
  const { claims, refreshToken, returnTo } = await signIn.finish(here, pending);
  const person = auth.oidc && (await personFromSignIn(claims, auth.oidc));
  if (!person) throw unauthenticated();
  if (Object.keys(person.roles).length === 0) throw noProject();
  return startSession(auth, {
    request,
    reply,
    person,
    returnTo,
    provided: { refreshToken, sid: typeof claims.sid === 'string' ? claims.sid : undefined },
  });
}

interface SigningIn {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly person: Person;
  /** A path of ours. */
  readonly returnTo: string;
  readonly provided?: Provided;
}

/** The page's secret travels in the fragment, which browsers send to no server. */
async function startSession(auth: Auth, signingIn: SigningIn) {
  const { request, reply, person, returnTo, provided } = signingIn;
  const previous = cookiesOf(request)[auth.cookies.sessionName];
  const { token, pageSecret } = await auth.sessions.start(person, previous, provided);
  reply.header('set-cookie', auth.cookies.session(token, CONSOLE_MAX_S));
  await auth.audit.record({
    principal: person.id,
    projectId: Object.keys(person.roles).toSorted()[0] ?? null,
    action: 'console.sign_in',
    outcome: 'allowed',
    requestId: request.id,
  });
  const [path = '/'] = returnTo.split('#', 1);
  return reply.redirect(`${path}#page=${pageSecret}`, 303);
}

async function logout(auth: Auth, request: FastifyRequest, reply: FastifyReply) {
  const secure = 'encrypted' in request.socket;
  const origin = originOf({ headers: request.headers, secure }, auth.origins);
  const token = cookiesOf(request)[auth.cookies.sessionName];
  if (origin !== 'own' && !(origin === 'none' && token === undefined)) {
    throw new HoldfastError('forbidden', 'Only pages of this server may sign people out.');
  }
  if (token !== undefined) await auth.sessions.end(token);
  reply.header('set-cookie', auth.cookies.clearSession());
  const elsewhere = await auth.oidc?.signIn.signOutUrl(baseUrl(auth, request));
  return { redirect: elsewhere ?? '/' };
}

function signInOf(auth: Auth) {
  if (auth.oidc === null) throw new HoldfastError('not_found', 'No such route.');
  return auth.oidc.signIn;
}

/** `Host` is used only if it is a loopback name: any other could lead people elsewhere. */
function baseUrl(auth: Auth, request: FastifyRequest): string {
  if (auth.publicUrl !== null) return auth.publicUrl;
  const text = `${'encrypted' in request.socket ? 'https' : 'http'}://${request.host}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && isLoopbackHost(url.hostname)) return url.origin;
  throw new HoldfastError('unavailable', 'Set HOLDFAST_PUBLIC_URL so that people can sign in.');
}
