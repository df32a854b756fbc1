import type { IncomingHttpHeaders } from 'node:http';
import type { Principal } from '../auth/index.ts';
import { HoldfastError } from '../kernel/index.ts';
import type { Trace } from '../platform/telemetry/index.ts';

/**
 * What is passed on to a model's provider besides credentials and our id of the request; the rule
 * is in docs/guide/hosting.md, "What a provider learns". `traceparent` holds two random numbers and
 * whether the trace is kept; `tracestate` and `baggage`, in which callers' systems write what they
 * like, stay here.
 */
export type PassedOn = Readonly<Record<string, string>>;

export function passedOn(trace: Trace, safetyIdentifier?: string): PassedOn {
  return {
    traceparent: trace.traceparent,
    ...(safetyIdentifier !== undefined && { [SAFETY_IDENTIFIER]: safetyIdentifier }),
  };
}

/**
 * By which a provider tells the end users of one account apart: made by the application, stable for
 * a user and telling nothing about them. Source: OpenAI, "Safety best practices".
 */
const SAFETY_IDENTIFIER = 'openai-safety-identifier';
const IDENTIFIER = /^[\x21-\x7e]{1,128}$/;

/** As the caller's header has it. Throws `invalid_request` for one that no provider would take. */
export function givenSafetyIdentifier(headers: IncomingHttpHeaders): string | undefined {
  const given = headers[SAFETY_IDENTIFIER];
  if (given === undefined) return undefined;
  if (typeof given === 'string' && IDENTIFIER.test(given)) return given;
  throw new HoldfastError(
    'invalid_request',
    'OpenAI-Safety-Identifier takes 1 to 128 visible ASCII characters.',
    { field: SAFETY_IDENTIFIER },
  );
}

/** Of a session: what its client secret was minted with, because its holder is that user. */
export function safetyIdentifierOf(
  principal: Principal,
  headers: IncomingHttpHeaders,
): string | undefined {
  const { grant } = principal;
  return grant === undefined ? givenSafetyIdentifier(headers) : grant.safetyIdentifier;
}
