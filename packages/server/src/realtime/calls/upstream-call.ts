import { HoldfastError } from '../../kernel/index.ts';
import type { Upstream } from '../../models/index.ts';
import {
  UpstreamFault,
  upstreamStatusError,
  upstreamTimeout,
  upstreamUnreachable,
} from '../errors.ts';
import type { Json } from '../preview/session.ts';
import { typeOf } from '../session-type.ts';
import { REQUEST_ID_HEADER, upstreamHeaders } from '../upstream.ts';

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
}

/** Throws the `HoldfastError` for the caller. */
export async function createUpstreamCall(
  upstream: Upstream,
  offer: CallOffer,
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
  const response = await post(upstream, url, {
    body: form,
    timeoutMs: CALL_TIMEOUT_MS,
    requestId: offer.requestId,
  });
  if (response.status !== 201 && response.status !== 200) throw await refusal(response);
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
  const url = new URL(upstream.hangupUrl(callId));
  const response = await post(upstream, url, { timeoutMs: HANGUP_TIMEOUT_MS, requestId });
  await response.body?.cancel();
  if (response.ok || response.status === 404 || response.status === 410) return;
  const cause = new UpstreamFault(`hang-up answered ${response.status}`, requestIdOf(response));
  throw upstreamStatusError(response.status, cause);
}

async function post(
  upstream: Upstream,
  url: URL,
  request: { body?: FormData; timeoutMs: number; requestId: string },
): Promise<Response> {
  const { timeoutMs, requestId } = request;
  const signal = AbortSignal.timeout(timeoutMs);
  const credentials = await upstreamHeaders(upstream, { timeoutMs });
  const headers = { ...credentials, [REQUEST_ID_HEADER]: requestId };
  try {
    return await fetch(url, {
      method: 'POST',
      headers,
      signal,
      redirect: 'error',
      ...(request.body && { body: request.body }),
    });
  } catch (cause) {
    throw signal.aborted ? upstreamTimeout(cause) : upstreamUnreachable(cause);
  }
}

async function refusal(response: Response): Promise<HoldfastError> {
  await response.body?.cancel();
  const cause = new UpstreamFault(`offer answered ${response.status}`, requestIdOf(response));
  if (response.status === 400 || response.status === 422) {
    return new HoldfastError('invalid_request', 'The model refused this offer.', {
      field: 'sdp',
      cause,
    });
  }
  return upstreamStatusError(response.status, cause);
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
