/** Tokens as this model counts them: four characters each, so that accounts can be checked. */
import type { Decision } from './conversation.ts';

const CHARS_PER_TOKEN = 4;
/** What providers cache comes in blocks, and only for long inputs. */
const CACHE_BLOCK_TOKENS = 128;
const CACHE_FROM_TOKENS = 1_024;

export interface Usage {
  readonly input: number;
  /** Part of `input`. */
  readonly cached: number;
  readonly output: number;
}

/** `bodyChars` is the length of the request's body. */
export function usageOf(bodyChars: number, decision: Decision, calls: number): Usage {
  const input = Math.ceil(bodyChars / CHARS_PER_TOKEN);
  const repeated = calls > 0 && input >= CACHE_FROM_TOKENS ? input / 2 : 0;
  const chars = decision.text.length + JSON.stringify(decision.calls).length;
  return {
    input,
    cached: Math.floor(repeated / CACHE_BLOCK_TOKENS) * CACHE_BLOCK_TOKENS,
    output: Math.ceil(chars / CHARS_PER_TOKEN),
  };
}
