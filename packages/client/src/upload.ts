import type { RecordingMetadata } from '@holdfast/protocol';
import { ApiError, errorFromAnswer, networkError } from './api-error.ts';
import { delayMs, wait } from './backoff.ts';
import type { Http } from './http.ts';
import type { UploadAnswer } from './types.ts';

/**
 * Sending a recording. The server takes the same bytes for the same session and purpose as the same
 * recording, so an upload whose answer was lost may be sent again without doubling anything.
 */
export interface UploadRequest {
  sessionId: string;
  audio: Blob;
  /** What the file is called in the form; its ending should fit the container. */
  fileName: string;
  metadata: RecordingMetadata;
  onProgress?: (progress: UploadProgress) => void;
  signal?: AbortSignal | undefined;
}

export interface UploadProgress {
  sentBytes: number;
  totalBytes: number;
  /** 1 for the first try. */
  attempt: number;
}

export interface UploadPost {
  url: string;
  headers: Record<string, string>;
  body: FormData;
  withCookies: boolean;
  signal: AbortSignal | undefined;
  onSent: (sentBytes: number, totalBytes: number) => void;
}

export interface UploadPosted {
  status: number;
  body: string;
  header(name: string): string | null;
}

/** Carries one try. Rejects where no answer came. */
export type UploadSender = (post: UploadPost) => Promise<UploadPosted>;

/** Sends a recording, trying again up to three times what may yet succeed. Throws ApiError. */
export async function uploadRecording(
  http: Http,
  request: UploadRequest,
  sender: UploadSender = fetchSender,
): Promise<UploadAnswer> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await uploadOnce(http, request, sender, attempt);
    if (!(outcome instanceof ApiError)) return outcome;
    if (attempt > http.retry.retries || !outcome.transient) throw outcome;
    await wait(delayMs(http.retry, attempt, outcome.retryAfterMs), request.signal);
  }
}

async function uploadOnce(
  http: Http,
  request: UploadRequest,
  sender: UploadSender,
  attempt: number,
): Promise<UploadAnswer | ApiError> {
  const { signal } = request;
  const headers = { 'session-id': request.sessionId, ...(await http.identification()) };
  request.onProgress?.({ sentBytes: 0, totalBytes: request.audio.size, attempt });
  try {
    const answer = await sender({
      url: http.url('/audio/upload'),
      headers,
      body: form(request),
      withCookies: http.credentials.kind === 'cookie',
      signal,
      onSent: (sentBytes, totalBytes) => request.onProgress?.({ sentBytes, totalBytes, attempt }),
    });
    if (answer.status < 200 || answer.status > 299) return errorFromAnswer(answer);
    return JSON.parse(answer.body) as UploadAnswer;
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    return networkError(cause);
  }
}

function form(request: UploadRequest): FormData {
  const body = new FormData();
  // The metadata first: a server that reads in order can refuse before the audio arrives.
  body.set('metadata', JSON.stringify(request.metadata));
  body.set('audio_file', request.audio, request.fileName);
  return body;
}

/** Node's way, and the fallback: `fetch` reports no progress, so it is none or all. */
export const fetchSender: UploadSender = async post => {
  const response = await fetch(post.url, {
    method: 'POST',
    headers: post.headers,
    body: post.body,
    credentials: post.withCookies ? 'same-origin' : 'omit',
    signal: post.signal ?? null,
  });
  const body = await response.text();
  post.onSent(1, 1);
  return { status: response.status, body, header: name => response.headers.get(name) };
};
