/** Builds the pump of each direction: direct, unless that direction is filtered or rewritten. */
import { clientAudio, serverAudio } from './classify.ts';
import type { RelayCounters } from './counters.ts';
import { DirectPump } from './direct-pump.ts';
import { FrameScanner } from './frame-scanner.ts';
import { GuardedPump } from './guarded-pump.ts';
import type { RelayLimits } from './limits.ts';
import { LongMessages } from './long-messages.ts';
import {
  clientRewriteGuard,
  type FilterVerdict,
  filterGuard,
  type MessageGuard,
  serverRewriteGuard,
} from './message-guard.ts';
import { MessageTap } from './message-tap.ts';
import type { Outlet } from './outlet.ts';
import type { Pump, PumpEvents } from './pump.ts';

/**
 * What stands between the sides besides taps. Each of these makes its direction go message by
 * message. Called synchronously; one that throws ends the session with 1011.
 */
export interface RelayGuard {
  /**
   * Locked configuration: every client message but canonical audio appends is asked about. Sees
   * valid JSON without duplicate keys, after `rewriteClientMessage`. `refuse` is an event's text.
   */
  readonly filterClientMessage?: (text: string) => FilterVerdict;
  /** Protocol translation; canonical audio appends, the same in all protocols, pass untouched. */
  readonly rewriteClientMessage?: (text: string) => readonly string[];
  /** Protocol translation; sees every text message, audio too. */
  readonly rewriteServerMessage?: (text: string) => readonly string[];
}

export interface PumpParts {
  readonly guard: RelayGuard;
  readonly limits: RelayLimits;
  readonly counters: RelayCounters;
  readonly outlet: Outlet;
  readonly events: PumpEvents;
  readonly wantsText: boolean;
  readonly wantsAudio: boolean;
}

export function clientPump(parts: PumpParts): Pump {
  const scanner = scannerFor(true, parts.limits);
  const { filterClientMessage: filter, rewriteClientMessage: rewrite } = parts.guard;
  const counters = parts.counters.clientToUpstream;
  if (filter === undefined && rewrite === undefined) {
    const longMessages = new LongMessages(parts.limits, parts.limits.maxMessageBytes);
    const tap = new MessageTap({
      classifier: clientAudio,
      counters,
      longMessages,
      ...tapPart(parts),
      ...(parts.wantsAudio && { onAudio: parts.events.audio }),
    });
    const { wholeMessageBytes } = parts.limits;
    return new DirectPump({ ...parts, wholeMessageBytes, counters, scanner, tap, mayHold: true });
  }
  return new GuardedPump({
    ...parts,
    counters,
    scanner,
    masked: true,
    guard: filter === undefined ? clientRewriteGuard(rewrite!) : filterGuard(filter, rewrite),
    classifier: clientAudio,
    passAppends: true,
    rejectBinary: filter !== undefined,
    streamAppendBytes: parts.limits.streamAppendBytes,
    longMessages: new LongMessages(parts.limits, parts.limits.maxParsedBytes),
  });
}

export function upstreamPump(parts: PumpParts): Pump {
  const scanner = scannerFor(false, parts.limits);
  const rewrite = parts.guard.rewriteServerMessage;
  const counters = parts.counters.upstreamToClient;
  if (rewrite === undefined) {
    const tap = new MessageTap({ classifier: serverAudio, counters, ...tapPart(parts) });
    const { wholeMessageBytes } = parts.limits;
    return new DirectPump({ ...parts, wholeMessageBytes, counters, scanner, tap });
  }
  const guard: MessageGuard = serverRewriteGuard(rewrite);
  return new GuardedPump({
    ...parts,
    counters,
    scanner,
    masked: false,
    guard,
    classifier: serverAudio,
    passAppends: false,
    rejectBinary: false,
    streamAppendBytes: parts.limits.streamAppendBytes,
  });
}

function scannerFor(masked: boolean, limits: RelayLimits): FrameScanner {
  return new FrameScanner({ masked, maxMessageBytes: limits.maxMessageBytes });
}

function tapPart({ limits, wantsText }: PumpParts) {
  const { maxTapBytes, maxTapStringBytes } = limits;
  return { maxTapBytes, maxTapStringBytes, wantsText };
}
