import type { IncomingMessage } from 'node:http';
import { HoldfastError, JsonScanner } from '../../kernel/index.ts';
import type { Model } from '../catalogue.ts';
import type { Models } from '../models.ts';
import type { WorstCase } from '../prices.ts';
import type { ModelCallRoute } from './paths.ts';

/** A call that is ready to be sent. */
export interface PreparedCall {
  readonly route: ModelCallRoute;
  readonly model: Model;
  /** The caller's bytes, where nothing had to be changed. */
  readonly body: Buffer;
  readonly worstCase: WorstCase;
}

type Json = Record<string, unknown>;

/**
 * Throws `payload_too_large`, and `invalid_request` for JSON beyond `JSON_LIMITS`, as soon as that
 * shows; a body whose `content-length` is too large is not read at all.
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const scanner = new JsonScanner('The body');
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      sizeBytes += part.length;
      if (sizeBytes > maxBytes) throw tooLarge(maxBytes);
      scanner.push(part);
      parts.push(part);
    }
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause;
    throw new HoldfastError('invalid_request', 'The request ended early.', { cause });
  }
  return Buffer.concat(parts);
}

function tooLarge(maxBytes: number): HoldfastError {
  const text = `The body is larger than ${maxBytes} bytes.`;
  return new HoldfastError('payload_too_large', text);
}

/**
 * Finds the model and inserts its upstream name. Everything else the caller asked for stays; a
 * streamed chat completion is also asked to report its usage.
 */
export function prepare(models: Models, route: ModelCallRoute, bytes: Buffer): PreparedCall {
  const text = bytes.toString('utf8');
  const given = parse(text);
  const named = route.model ?? given.model;
  const model = models.resolve(typeof named === 'string' ? named : undefined, route.protocol);
  const { deployment } = models.textUpstream(model);
  const changes: Json = {};
  if (route.model === undefined && given.model !== deployment) changes.model = deployment;
  if (route.protocol === 'chat' && given.stream === true) {
    const options = objectOf(given.stream_options);
    if (options.include_usage !== true) {
      changes.stream_options = { ...options, include_usage: true };
    }
  }
  const changed = Object.keys(changes).length > 0;
  return {
    route,
    model,
    body: changed ? Buffer.from(JSON.stringify({ ...given, ...changes })) : bytes,
    worstCase: worstCaseOf(route, given, { text, sizeBytes: bytes.length }),
  };
}

/** `text` was counted while it arrived. */
function parse(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new HoldfastError('invalid_request', 'The body is not valid JSON.', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HoldfastError('invalid_request', 'The body must be a JSON object.');
  }
  return value as Json;
}

/** Marks of input that is not in the body itself; in a string their quotes would be escaped. */
const STORED_MARKS = [
  '"item_reference"',
  '"file_id"',
  '"file_url"',
  '"image_url"',
  '"fileUri"',
  '"file_uri"',
  '"cachedContent"',
  '"url"',
];

function worstCaseOf(
  route: ModelCallRoute,
  body: Json,
  { text, sizeBytes }: { text: string; sizeBytes: number },
): WorstCase {
  const config = route.protocol === 'gemini' ? objectOf(body.generationConfig) : body;
  const limits: Readonly<Record<ModelCallRoute['protocol'], unknown>> = {
    responses: body.max_output_tokens,
    chat: body.max_completion_tokens ?? body.max_tokens,
    messages: body.max_tokens,
    gemini: config.maxOutputTokens,
  };
  return {
    inputBytes: sizeBytes,
    refersToStored:
      [body.previous_response_id, body.conversation, body.prompt].some(Boolean) ||
      STORED_MARKS.some(mark => text.includes(mark)),
    maxOutputTokens: positive(limits[route.protocol]),
    answers: positive(config.n ?? config.candidateCount) ?? 1,
  };
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined;
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}
