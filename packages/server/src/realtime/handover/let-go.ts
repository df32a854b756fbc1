import { setTimeout as delay } from 'node:timers/promises';
import { newId } from '../../kernel/index.ts';
import { RESUMED_ELSEWHERE, type Relay, SERVICE_RESTART } from '../relay/index.ts';
import type { Rebuilder } from './rebuilder.ts';
import type { HandoverRecord } from './record.ts';

/**
 * Takes one session out of a process that stops, so that another one goes on with it.
 *
 *   told (`going_away`) ──a pause, or hurried──▶ its turn ──▶ client dismissed ──▶ record
 *
 * A client that is dismissed is heard until it has closed: what it had sent is in the record, and
 * what it has had is not.
 */
export interface LetGoOptions {
  readonly relay: Relay;
  readonly rebuilder: Rebuilder;
  /** The client has come to another process: nothing more is heard of it here. */
  readonly isElsewhere?: boolean;
  /** Ends the waiting for a pause. */
  readonly hurry: AbortSignal;
  /** When the process stops at the latest, on the monotonic clock. */
  readonly timeLeftMs: number;
  /** Ends the waiting for its turn. */
  readonly now: AbortSignal;
  /** Resolves when it is this session's turn: clients do not come back all at once. */
  readonly turn: () => Promise<void>;
  readonly handles: () => readonly string[];
  readonly session: HandoverRecord['session'];
}

const LOOK_MS = 25;
/** A reservation that is under way holds the client; it is not waited for any longer. */
const HELD_MAX_MS = 2_000;

/** Null where the session ended by itself meanwhile. The relay is to be closed at once then. */
export async function letGo(options: LetGoOptions): Promise<HandoverRecord | null> {
  const { relay, rebuilder, hurry, now, turn, handles, session } = options;
  if (options.isElsewhere) relay.leaveClient(RESUMED_ELSEWHERE, 'resumed on another connection');
  else tell(relay, options.timeLeftMs);
  while (!hurry.aborted && !relay.closing && !rebuilder.isQuiet) await pause();
  await Promise.race([turn(), aborted(now)]);
  await relay.dismissClient(SERVICE_RESTART, 'drain');
  const heldUntilMs = performance.now() + HELD_MAX_MS;
  while (!relay.closing && !relay.attachable && performance.now() < heldUntilMs) await pause();
  if (relay.closing) return null;
  const upstream = rebuilder.record();
  const { input, output } = relay.record();
  const { messages, acknowledged, sent, frames } = output;
  return {
    session,
    upstream,
    client: {
      handles: [...handles()],
      input,
      messages,
      acknowledged,
      sent,
      frames: frames.map(frame => frame.toString('base64')),
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise(resolve => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function tell(relay: Relay, timeLeftMs: number): void {
  const type = 'holdfast.session.going_away';
  const time_left_ms = Math.round(timeLeftMs);
  relay.inject(JSON.stringify({ type, event_id: newId('evt'), time_left_ms }));
}

function pause(): Promise<void> {
  return delay(LOOK_MS, undefined, { ref: false });
}
