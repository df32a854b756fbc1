import { HoldfastError } from '../../kernel/index.ts';
import type { Upstream } from '../../models/index.ts';
import { type Again, askAgain } from '../ask-again.ts';
import { refusalError, UpstreamFault, upstreamTimeout, upstreamUnreachable } from '../errors.ts';
import type { PassedOn } from '../passed-on.ts';
import type { Json } from '../preview/session.ts';
import { typeOf } from '../session-type.ts';
import { REQUEST_ID_HEADER, secretsOf, upstreamHeaders } from '../upstream.ts';

/**
 * The provider's REST side of a WebRTC call. Media flows between the browser and the provider; only
 * the session description passes through here.
 * Source: openai-openapi `POST /realtime/calls` (multipart form, 201 with `Location`), `…/hangup`.
 */
const CALL_TIMEOUT_MS = 15_000;
const HANGUP_TIMEOUT_MS = 10_000;
/** The largest session description that is taken from either side. */
export const SDP_MAX_BYTES = 64 * 1024;
const CALL_ID = /^[A-Za-z0-9_-]{1,200}$/;

export interface CallAnswer {
  readonly sdp: string;
  /** The provider's id of the call. */
  readonly callId: string;
}

export interface CallOffer {
  readonly sdp: string;
  /** GA shape, without the model. */
  readonly session: Json;
  /** Asks Azure to keep the session's configuration from the browser's data channel. */
  readonly filtered: boolean;
  /** Ours. */
  readonly requestId: string;
  readonly passedOn?: PassedOn;
  /** Before each further attempt. */
  readonly onAgain?: (again: Again) => void;
}

/**
 * Places the offer, again where the provider has said that it did not take it, or was never
 * reached: an answer that is lost may stand for a call that goes on. Throws the `HoldfastError`
 * for the caller.
 */
export function createUpstreamCall(upstream: Upstream, offer: CallOffer): Promise<CallAnswer> {
  return askAgain(leftMs => placeOnce(upstream, offer, leftMs), {
    timeoutMs: CALL_TIMEOUT_MS,
    isSafe: wasNotTaken,
    onAgain: offer.onAgain,
  });
}

const NOT_TAKEN: ReadonlySet<number> = new Set([429, 503]);

/**
 * Whether a command that failed may stand for a call that goes on: it was sent, and the provider
 * has not said that it refuses. What a gateway answers in its place says nothing.
 */
export function mayBeTaken(error: unknown): boolean {
  const cause = error instanceof HoldfastError ? error.cause : undefined;
  if (!(cause instanceof UpstreamFault)) return false;
  if (cause.words === undefined) return !isUnsent(cause.cause);
  const { status } = cause.words;
  return !NOT_TAKEN.has(status) && (status < 400 || status === 408 || status >= 500);
}

function wasNotTaken({ code, cause }: HoldfastError): boolean {
  if (code === 'upstream_refused' || !(cause instanceof UpstreamFault)) return false;
  return cause.words === undefined ? isUnsent(cause.cause) : NOT_TAKEN.has(cause.words.status);
}

async function placeOnce(
  upstream: Upstream,
  offer: CallOffer,
  timeoutMs: number,
): Promise<CallAnswer> {
  const form = new FormData();
  const type = typeOf(offer.session);
  // A transcription's model is part of its configuration.
  const model = type === 'transcription' ? undefined : upstream.deployment;
  const session = { ...offer.session, type, model };
  form.set('sdp', new Blob([offer.sdp], { type: 'application/sdp' }));
  form.set('session', new Blob([JSON.stringify(session)], { type: 'application/json' }));
  const url = new URL(upstream.callsUrl);
  if (offer.filtered && upstream.provider === 'azure') url.searchParams.set('webrtcfilter', 'on');
  const { requestId, passedOn } = offer;
  const sent = { body: form, timeoutMs, requestId, passedOn };
  const { response, secrets } = await post(upstream, url, sent);
  if (response.status !== 201 && response.status !== 200) {
    throw refusalError({ ...(await refusalOf(response, 'offer', secrets)), isCallers: true });
  }
  const [path = ''] = (response.headers.get('location') ?? '').split('?', 1);
  const callId = path.slice(path.lastIndexOf('/') + 1);
  const sdp = await boundedText(response);
  if (!CALL_ID.test(callId) || !sdp.startsWith('v=0')) {
    throw new HoldfastError('upstream_error', 'The model failed.', {
      cause: new Error('the answer to an offer has no call id or no session description'),
    });
  }
  return { sdp, callId };
}

/**
 * Ends the call at the provider; a call that is gone already is no error. `requestId` is ours.
 */
export async function hangUpUpstream(
  upstream: Upstream,
  callId: string,
  requestId: string,
): Promise<void> {
  const url = new URL(upstream.callUrl(callId, 'hangup'));
  const timeoutMs = HANGUP_TIMEOUT_MS;
  const { response, secrets } = await post(upstream, url, { timeoutMs, requestId });
  if (response.ok || response.status === 404 || response.status === 410) {
    return response.body?.cancel();
  }
  throw refusalError(await refusalOf(response, 'hang-up', secrets));
}

export interface CallCommand {
  /** The provider's. */
  readonly callId: string;
  readonly verb: 'accept' | 'reject' | 'refer';
  readonly body: Json;
  /** Ours. */
  readonly requestId: string;
}

/** What a back end does with a telephone call. Throws the `HoldfastError` for the caller. */
export async function commandUpstream(upstream: Upstream, command: CallCommand): Promise<void> {
  const { callId, verb, body, requestId } = command;
  const url = new URL(upstream.callUrl(callId, verb));
  const request = { body: JSON.stringify(body), timeoutMs: CALL_TIMEOUT_MS, requestId };
  const { response, secrets } = await post(upstream, url, request);
  if (!response.ok) {
    throw refusalError({ ...(await refusalOf(response, verb, secrets)), isCallers: true });
  }
  await response.body?.cancel();
}

/** Throws the `HoldfastError` of an upstream that does not answer. */
export async function post(
  upstream: Upstream,
  url: URL,
  request: {
    body?: FormData | string;
    timeoutMs: number;
    requestId: string;
    passedOn?: PassedOn | undefined;
  },
): Promise<{ response: Response; secrets: string[] }> {
  const { timeoutMs, requestId } = request;
  const signal = AbortSignal.timeout(timeoutMs);
  const credentials = await upstreamHeaders(upstream, { timeoutMs });
  const headers = {
    ...request.passedOn,
    ...credentials,
    [REQUEST_ID_HEADER]: requestId,
    ...(typeof request.body === 'string' && { 'content-type': 'application/json' }),
  };
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      signal,
      redirect: 'error',
      ...(request.body && { body: request.body }),
    });
    return { response, secrets: secretsOf(credentials, url) };
  } catch (error) {
    const cause = new UpstreamFault('no answer', { cause: error });
    throw signal.aborted ? upstreamTimeout(cause) : upstreamUnreachable(cause);
  }
}

/** System errors after which nothing of a request has been sent. */
const UNSENT: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function isUnsent(error: unknown): boolean {
  return UNSENT.has((error as { cause?: { code?: unknown } } | undefined)?.cause?.code);
}

export async function refusalOf(response: Response, what: string, secrets: readonly string[]) {
  const { status, headers } = response;
  const body = await boundedText(response).catch(() => '');
  const answer = { status, headers: Object.fromEntries(headers), body };
  return { what, answer, secrets, requestId: requestIdOf(response) };
}

const REQUEST_ID_MAX_CHARS = 128;

function requestIdOf(response: Response): string | undefined {
  const { headers } = response;
  const id = headers.get('x-request-id') ?? headers.get('apim-request-id');
  return id?.slice(0, REQUEST_ID_MAX_CHARS);
}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (text.length > SDP_MAX_BYTES) {
        throw new HoldfastError('upstream_error', 'The model failed.', {
          cause: new Error('the answer to an offer is too long'),
        });
      }
    }
  } catch (error) {
    throw error instanceof HoldfastError ? error : upstreamTimeout(error);
  }
  return text + decoder.decode();
}
