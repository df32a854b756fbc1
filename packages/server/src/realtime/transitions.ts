import type { SessionState } from '@holdfast/protocol';
import { newUuidV7 } from '../kernel/index.ts';
import type { Database, Trx } from '../platform/database/index.ts';
import type { Lease, Leases } from '../platform/leases/index.ts';
import type { Log, NewEvent } from '../platform/log/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import type { RealtimeMetrics } from './metrics.ts';
import { isFinal, nextState, type SessionInput } from './session.ts';
import * as store from './store.ts';
import type { Control, Protocol, SessionRow, Transport } from './tables.ts';

/**
 * Takes sessions through their states: one transaction each, that locks the row, asks the state
 * machine, writes the row and appends what happened to the log. An input that changes nothing
 * writes nothing, so that every transition may be tried again.
 */
export interface TransitionDeps {
  readonly database: Database;
  readonly log: Log;
  readonly leases: Leases;
  readonly telemetry: Telemetry;
  readonly metrics: RealtimeMetrics;
  /** How long a session waits for a client that has lost its line; 0: not at all. */
  readonly reconnectWindowMs: number;
  readonly revision: string;
}

/** How the connection ended; the code is null where no WebSocket was closed. */
export interface Close {
  readonly code: number | null;
  /** The reason in the close frame. */
  readonly text?: string;
}

export interface TransitionOptions {
  /** Who acts: a principal, or `replica:<id>`. */
  readonly actor: string;
  readonly close?: Close;
  readonly traceId?: string | undefined;
  /** Fences the transition; given up with it, unless it `isKept`. */
  readonly lease?: Lease;
  readonly isKept?: boolean;
  /** Where this process has left what another one needs to go on. */
  readonly handoverKey?: string | undefined;
  /** The order for the replica that holds the session. */
  readonly control?: Control;
}

export interface TransitionResult {
  readonly row: SessionRow;
  /** Null where the input changed nothing. */
  readonly to: SessionState | null;
}

export async function transition(
  deps: TransitionDeps,
  id: string,
  input: Exclude<SessionInput, { type: 'connect' }>,
  options: TransitionOptions,
): Promise<TransitionResult | undefined> {
  const appendId = newUuidV7();
  const moved = await deps.database.transaction(async trx => {
    const row = await store.lock(trx, id);
    if (row === undefined) return undefined;
    const step = await write(deps, trx, row, { input, options });
    const { handoverKey } = options;
    if (handoverKey !== undefined) {
      await store.setHandedOver(trx, id, { handoverKey, windowMs: deps.reconnectWindowMs });
    }
    if (options.lease && !options.isKept) await deps.leases.release(trx, options.lease);
    if (step === null) return { row, to: null, livedS: 0 };
    await deps.log.append(trx, {
      subject: id,
      actor: options.actor,
      appendId,
      events: step.events,
      traceId: options.traceId,
      ...(options.lease && { fence: options.lease.fence }),
    });
    return { row: step.after, to: step.after.state, livedS: step.after.lived_s };
  });
  if (!moved || moved.to === null) return moved;
  deps.log.ring(id);
  const { row, to, livedS } = moved;
  const reason = row.close_reason ?? 'unknown';
  if (isFinal(to)) deps.metrics.durationS.record(livedS, { reason: to });
  deps.telemetry.log.info(`session.${to}`, { session_id: id, reason, duration_s: livedS });
  return { row, to };
}

interface Step {
  readonly after: store.RowAfter;
  readonly events: NewEvent[];
}

async function write(
  deps: TransitionDeps,
  trx: Trx,
  row: SessionRow,
  move: { input: Exclude<SessionInput, { type: 'connect' }>; options: TransitionOptions },
): Promise<Step | null> {
  const { input, options } = move;
  const to = nextState(row.state, input);
  if (to === null) return null;
  const { close = { code: null } } = options;
  const closeCode = close.code;
  const control = options.control ?? null;
  if (to !== 'disconnected') {
    const end = { state: to, reason: input.reason, closeCode, control };
    const after = await store.setFinal(trx, row.id, end);
    return { after, events: [finalEvent(after, input, close)] };
  }
  // A drain leaves its sessions to be taken up elsewhere; they expire by the sweep.
  const windowMs = deps.reconnectWindowMs;
  const loss = { reason: input.reason, closeCode, windowMs };
  const lost = await store.setDisconnected(trx, row.id, loss);
  const replica = row.replica ?? '';
  const events: NewEvent[] = [
    {
      type: 'session.disconnected',
      data: { replica, close_code: closeCode, reason: input.reason },
      ...closeText(close),
    },
  ];
  if (windowMs > 0 || input.reason === 'drain') return { after: lost, events };
  const end = { state: 'expired' as const, reason: 'window_over', closeCode, control };
  const after = await store.setFinal(trx, row.id, end);
  return {
    after,
    events: [
      ...events,
      finalEvent(after, { type: 'expire', reason: 'window_over' }, { code: null }),
    ],
  };
}

function finalEvent(
  row: store.RowAfter,
  input: Exclude<SessionInput, { type: 'connect' }>,
  close: Close,
): NewEvent {
  const type = `session.${row.state}` as 'session.ended' | 'session.expired' | 'session.failed';
  const data = {
    reason: input.reason,
    duration_s: row.lived_s,
    close_code: close.code,
    ...(input.type === 'fail' && { upstream_code: input.upstreamCode ?? null }),
  };
  return { type, data, ...closeText(close) };
}

/** Whoever closes may write anything there, also what was said. */
function closeText({ text = '' }: Close) {
  return text === '' ? {} : { private: { close_text: text } };
}

export interface Connection {
  readonly lease: Lease;
  readonly transport: Transport;
  readonly protocol: Protocol;
  readonly traceId?: string | undefined;
  /** Digests of the handles with which the client may come back. */
  readonly handles?: readonly string[];
  /** Set when its client has come back: for how long it was away, and what it did not get. */
  readonly resumed?: {
    readonly away_ms: number;
    readonly lost: number;
    readonly withheld: number;
  };
  /** Set when the session is taken over: no log has what happened meanwhile. */
  readonly gap?: { readonly reason: 'drain' | 'replica_lost'; readonly since: Date | null };
}

/** Marks a session connected; false when it is no longer there to be connected. */
export async function connectSession(
  deps: TransitionDeps,
  connection: Connection,
): Promise<boolean> {
  const { lease, transport, protocol, gap, resumed, traceId, handles } = connection;
  const { replica } = deps.leases;
  const { revision } = deps;
  const appendId = newUuidV7();
  const connected = await deps.database.transaction(async trx => {
    const row = await store.lock(trx, lease.subject);
    if (row === undefined || isFinal(row.state)) return false;
    await store.setConnected(trx, row.id, { replica, revision, handles });
    await deps.log.append(trx, {
      subject: row.id,
      actor: `replica:${replica}`,
      appendId,
      traceId,
      fence: lease.fence,
      events: [
        ...(gap
          ? [
              {
                type: 'session.gap' as const,
                data: { reason: gap.reason, since: gap.since?.toISOString() ?? null },
              },
            ]
          : []),
        {
          type: 'session.connected',
          data: { replica, revision, transport, protocol, ...(resumed && { resumed }) },
        },
      ],
    });
    return true;
  });
  if (connected) deps.log.ring(lease.subject);
  return connected;
}
