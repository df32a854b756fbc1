/**
 * WebRTC signalling: `POST …/calls` takes an SDP offer (bare, or in a form beside the session's
 * configuration) and answers with the SDP answer and the call's address; `POST …/hangup` ends it.
 * Calls by telephone (`sip/`) are accepted, rejected and referred by their id.
 */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { authorize } from '../app.ts';
import { shapeBehaviour } from '../faults/rules.ts';
import { toProtocolError } from '../session/client-events.ts';
import { parseSessionRequest, type SessionRequest } from '../session/config.ts';
import { acceptCall } from '../sip/open-sip-call.ts';
import { openCall } from '../webrtc/open-call.ts';
import { credentialOf, requestInfo } from './auth.ts';
import { parseJson, readBody, readForm, readJson } from './body.ts';
import { HttpError } from './respond.ts';
import type { RouteContext } from './route.ts';

interface Offer {
  sdp: string;
  session: SessionRequest | undefined;
}

async function readOffer(request: IncomingMessage): Promise<Offer> {
  const contentType = request.headers['content-type'] ?? '';
  const body = await readBody(request);
  const kind = contentType.split(';')[0]?.trim().toLowerCase();
  if (kind === 'application/sdp') return { sdp: body.toString('utf8'), session: undefined };
  if (kind !== 'multipart/form-data') {
    throw new HttpError(400, 'Expected application/sdp or multipart/form-data.', {
      code: 'unsupported_content_type',
    });
  }
  const fields = await readForm(body, contentType);
  const sdp = fields.get('sdp');
  if (sdp === undefined) throw new HttpError(400, "Missing required parameter: 'sdp'.");
  const session = fields.get('session');
  return {
    sdp,
    session: session === undefined ? undefined : parseSessionRequest(parseJson(session)),
  };
}

/** What an offer must have for a call to come of it: audio, and something to connect to. */
function isOffer(sdp: string): boolean {
  return ['v=0', 'm=audio', 'a=ice-ufrag:', 'a=fingerprint:'].every(part => sdp.includes(part));
}

export async function createCall(context: RouteContext): Promise<void> {
  const { app, request, response, url, rules } = context;
  const credential = credentialOf(request, url);
  const secret = authorize(app, credential);
  const offer = await readOffer(request);
  if (!isOffer(offer.sdp)) {
    throw new HttpError(400, 'The SDP offer is not valid.', { code: 'invalid_offer' });
  }
  const { call, answerSdp } = await openCall(app, {
    offerSdp: offer.sdp,
    rules,
    model: url.searchParams.get('model') ?? undefined,
    requests: [secret?.session, offer.session],
    request: requestInfo(request, url, credential),
    behaviour: shapeBehaviour(rules, app.behaviour),
  });
  response.writeHead(201, {
    'content-type': 'application/sdp',
    location: `${url.pathname}/${call.id}`,
  });
  response.end(answerSdp);
}

export async function accept(context: RouteContext): Promise<void> {
  const { app, request, response, url, params } = context;
  const credential = credentialOf(request, url);
  authorize(app, credential);
  const session = parseSessionRequest(await readJson(request));
  const info = requestInfo(request, url, credential);
  acceptCall(app, { id: params[0] ?? '', session, request: info });
  response.writeHead(200).end();
}

const rejection = z.strictObject({ status_code: z.number().int().min(400).max(699).default(603) });
const referral = z.strictObject({ target_uri: z.string().min(1).max(1_000) });

export async function reject(context: RouteContext): Promise<void> {
  const { app, request, response, url, params } = context;
  authorize(app, credentialOf(request, url));
  const [id = ''] = params;
  app.sipCalls.requireRinging(id);
  const { status_code } = checked(rejection, await readJson(request));
  app.sipCalls.set(id, { state: 'rejected', status_code });
  response.writeHead(200).end();
}

export async function refer(context: RouteContext): Promise<void> {
  const { app, request, response, url, params } = context;
  authorize(app, credentialOf(request, url));
  const [id = ''] = params;
  const call = app.calls.find(id);
  if (call === undefined || app.sipCalls.view(id)?.state !== 'open') {
    throw new HttpError(404, 'No such call.', { code: 'call_id_not_found' });
  }
  const { target_uri } = checked(referral, await readJson(request));
  app.sipCalls.set(id, { state: 'referred', target_uri });
  call.end('referred');
  response.writeHead(200).end();
}

function checked<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw toProtocolError(result.error.issues[0]!);
}

export async function hangUp({ app, request, response, url, params }: RouteContext): Promise<void> {
  authorize(app, credentialOf(request, url));
  const call = app.calls.find(params[0] ?? '');
  if (call === undefined) throw new HttpError(404, 'No such call.', { code: 'call_id_not_found' });
  call.end('hangup');
  response.writeHead(200).end();
}
