import type { IncomingMessage } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HoldfastError, JsonScanner } from '../../kernel/index.ts';
import type { Model } from '../catalogue.ts';
import type { Models } from '../models.ts';
import type { WorstCase } from '../prices.ts';
import type { TextProtocol } from '../text-upstream.ts';
import type { CallPlace } from './call-limiter.ts';
import type { ModelCallRoute } from './paths.ts';
import { type ReadRequest, readRequest } from './requests/index.ts';

/** From this size on, others get a turn between the steps. */
const LARGE_BYTES = 1024 * 1024;

/** A call that is ready to be sent. */
export interface PreparedCall {
  readonly route: ModelCallRoute;
  readonly model: Model;
  /** The request as it was understood, written anew. */
  readonly body: Buffer;
  readonly hosted: ReadRequest['hosted'];
  readonly worstCase: WorstCase;
  /** The model's most, where the request had a higher limit of output. */
  readonly loweredTo: number | undefined;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Throws `payload_too_large`; `invalid_request` for JSON beyond `JSON_LIMITS`, and what `place`
 * throws where it has no room: of those nothing is kept, but they are read to their end, so that
 * the caller reads the answer. A body whose
 * `content-length` is too large is not read at all.
 */
export async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  place: Pick<CallPlace, 'hold' | 'drop'>,
): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const scanner = new JsonScanner('The body');
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  let fault: unknown;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      sizeBytes += part.length;
      if (sizeBytes > maxBytes) throw tooLarge(maxBytes);
      if (fault !== undefined) continue;
      try {
        place.hold(part.length);
        scanner.push(part);
        parts.push(part);
      } catch (error) {
        fault = error;
        parts.length = 0;
        place.drop();
      }
    }
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause;
    throw new HoldfastError('invalid_request', 'The request ended early.', { cause });
  }
  if (fault !== undefined) throw fault;
  return Buffer.concat(parts);
}

function tooLarge(maxBytes: number): HoldfastError {
  const text = `The body is larger than ${maxBytes} bytes.`;
  return new HoldfastError('payload_too_large', text);
}

/**
 * Reads the request, finds the model and inserts its upstream name. A limit of output above what
 * the catalogue has for the model is lowered to that, because no more is reserved. A streamed chat
 * completion is also asked to report its usage. Throws for what the gateway does not understand.
 */
export async function prepare(
  models: Models,
  route: ModelCallRoute,
  bytes: Buffer,
): Promise<PreparedCall> {
  // Each step on 32 MB takes as long as others can wait for.
  const isLarge = bytes.length > LARGE_BYTES;
  const text = bytes.toString('utf8');
  if (isLarge) await nextTurn();
  const value = parse(text);
  if (isLarge) await nextTurn();
  const { body: given, hosted, worstCase } = readRequest(route.protocol, value);
  if (isLarge) await nextTurn();
  const named = route.model ?? given.model;
  const model = models.resolve(typeof named === 'string' ? named : undefined, route.protocol);
  const { deployment } = models.textUpstream(model);
  const limited = lowered(route.protocol, given, model.max_output_tokens);
  const sent = {
    ...limited,
    ...(route.model === undefined && { model: deployment }),
    ...(route.protocol === 'chat' &&
      given.stream === true && {
        stream_options: { ...objectOf(given.stream_options), include_usage: true },
      }),
  };
  const body = Buffer.from(JSON.stringify(sent));
  return {
    ...{ route, model, body, hosted },
    worstCase: { ...worstCase, inputBytes: body.length },
    loweredTo: limited === given ? undefined : model.max_output_tokens,
  };
}

const LIMITS: Readonly<Record<TextProtocol, readonly string[]>> = {
  responses: ['max_output_tokens'],
  chat: ['max_completion_tokens', 'max_tokens'],
  messages: ['max_tokens'],
  gemini: ['maxOutputTokens'],
};

function lowered(protocol: TextProtocol, body: Json, mostTokens: number): Json {
  const isGemini = protocol === 'gemini';
  const holder = isGemini ? objectOf(body.generationConfig) : body;
  const over = LIMITS[protocol].filter(name => Number(holder[name] ?? 0) > mostTokens);
  if (over.length === 0) return body;
  const limits = Object.fromEntries(over.map(name => [name, mostTokens]));
  const changed = { ...holder, ...limits };
  return isGemini ? { ...body, generationConfig: changed } : changed;
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

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}
