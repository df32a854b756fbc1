/**
 * Decides what becomes of one decoded message of a guarded direction: rewritten (protocol
 * translation), filtered (locked configuration), or both, in this order.
 */

import { parseJson, toHoldfastError } from '../../kernel/index.ts';
import { duplicateKey } from './json-guard.ts';
import { errorEvent } from './reject.ts';

/** A filter's answer: send this text on, or refuse and send this `error` event back. */
export type FilterVerdict = { readonly forward: string } | { readonly refuse: string };

/** What becomes of one message. */
export interface GuardVerdict {
  /** Messages to send on, in order, perhaps none. */
  readonly forward: readonly string[];
  /** Messages for the tap: always in the protocol that the upstream speaks. */
  readonly tap: readonly string[];
  /** Events to send back to the sender. */
  readonly refusals: readonly string[];
}

export type MessageGuard = (text: string) => GuardVerdict;

/** Rewrites the upstream's messages for the client. */
export function serverRewriteGuard(rewrite: (text: string) => readonly string[]): MessageGuard {
  return text => ({ forward: rewrite(text), tap: [text], refusals: [] });
}

/** Rewrites the client's messages for the upstream. */
export function clientRewriteGuard(rewrite: (text: string) => readonly string[]): MessageGuard {
  return text => {
    const forward = rewrite(text);
    return { forward, tap: forward, refusals: [] };
  };
}

/**
 * A guard that filters. The filter sees valid JSON without duplicate keys only; what is not that is
 * refused here. `rewrite`, if given, is applied first to such a text, and the filter sees its
 * results.
 */
export function filterGuard(
  filter: (text: string) => FilterVerdict,
  rewrite?: (text: string) => readonly string[],
): MessageGuard {
  return text => {
    const refusal = unambiguous(text);
    if (refusal !== null) return { forward: [], tap: [], refusals: [refusal] };
    const forward: string[] = [];
    const refusals: string[] = [];
    for (const part of rewrite === undefined ? [text] : rewrite(text)) {
      const verdict = filter(part);
      if ('forward' in verdict) forward.push(verdict.forward);
      else refusals.push(verdict.refuse);
    }
    return { forward, tap: forward, refusals };
  };
}

function unambiguous(text: string): string | null {
  try {
    parseJson(text, 'The message');
  } catch (error) {
    return refusal('invalid_json', toHoldfastError(error).detail);
  }
  if (duplicateKey(text) === null) return null;
  return refusal('duplicate_key', 'Two keys of an object in the message could be the same.');
}

function refusal(code: string, message: string): string {
  return errorEvent({ type: 'invalid_request_error', code, message });
}
