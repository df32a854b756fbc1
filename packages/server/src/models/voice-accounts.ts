import type { SessionType } from '@holdfast/protocol';
import { type Clock, type HoldfastError, newId } from '../kernel/index.ts';
import type { Database, Trx } from '../platform/database/index.ts';
import { isHeld, type Lease } from '../platform/leases/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import { reserveIn } from './budgets/reservations.ts';
import {
  type ChargeOutcome,
  chargeSession,
  type NextReservation,
  type SessionCharge,
} from './budgets/session-charges.ts';
import { countCall, settleSoon } from './budgets/settlement.ts';
import type { Models } from './models.ts';
import { currentPrice, dayOf } from './prices.ts';
import {
  type NextResponse,
  nextResponseUsd,
  type VoiceUsage,
  voiceCostUsd,
} from './voice-prices.ts';

/**
 * The money of voice sessions.
 *
 * A provider answers a user by itself, so no response can be refused before it begins. Each open
 * session has its next response reserved instead, when it opens and at the end of each turn; where
 * that is refused, the session ends. Where a budget applies, the client's events wait until it is
 * known, and so they do after a response that it has asked for beside another. So a budget is
 * exceeded by one response of each open session at most: by what it read beyond what the one before
 * had left to it, or because it began before it could be refused.
 */
interface VoiceSession {
  readonly id: string;
  readonly projectId: string;
  readonly owner: string;
  /** The catalogue's id. A transcription is priced by the model that its configuration names. */
  readonly model: string;
  readonly type: SessionType;
}

interface Turn extends NextResponse {
  /** The model that transcribes the user, as far as it is known. */
  readonly transcriptionModel: string | undefined;
  /** Responses under way: each is reserved. */
  readonly responses: number;
}

export interface VoiceAccounts {
  /**
   * Reserves the first response in the transaction that opens the session. Throws `OverBudget`, and
   * `invalid_request` where a budget applies and the price is not known.
   */
  open(trx: Trx, session: VoiceSession, first: FirstResponse): Promise<void>;
  /**
   * The account of a session that this process holds by that lease; once another has it, this
   * account writes nothing. `onRefused` is called once.
   */
  hold(
    session: VoiceSession,
    lease: Lease,
    onRefused: (error: HoldfastError) => void,
  ): VoiceAccount;
}

type FirstResponse = Pick<Turn, 'maxOutputTokens' | 'transcriptionModel'>;

export interface VoiceAccount {
  /** The session's, not that of its transcription. */
  readonly model: string;
  /** What that cost, to be settled with the turn; null: a price is not known. */
  add(used: VoiceUsage, transcriptionModel?: string): number | null;
  /** Responses are over whose usage was not reported: the turn costs what was reserved. */
  addUnreported(responses: number): void;
  /** Settles what was added, and reserves. Returns at once; never throws. */
  turn(next: Turn): void;
  /** Some budget applies, as far as is known. */
  readonly isLimited: boolean;
  /** While a budget has not yet allowed or refused a turn. Never rejects. */
  readonly reserving: Promise<void> | undefined;
  /** Settles what was added, after the turns before. Never rejects. */
  close(): Promise<void>;
}

export interface VoiceAccountsDeps {
  readonly database: Database;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly models: Pick<Models, 'voicePrices' | 'list'>;
}

export function createVoiceAccounts(deps: VoiceAccountsDeps): VoiceAccounts {
  return {
    async open(trx, session, { maxOutputTokens, transcriptionModel }) {
      const turn = { inputTokens: 0, maxOutputTokens, transcriptionModel, responses: 0 };
      const unpriced =
        transcriptionModel !== undefined && priceOf(deps, transcriptionModel) === undefined
          ? transcriptionModel
          : undefined;
      await reserveIn(trx, requestOf(deps, session, { turn, unpriced }));
    },
    hold: (session, lease, onRefused) => new Account(deps, session, lease, onRefused),
  };
}

function priceOf({ models, clock }: VoiceAccountsDeps, name: string) {
  const known = models.voicePrices(name);
  return known && currentPrice(known.prices, dayOf(clock.nowMs()));
}

/** `unpriced`: a model without a price was used, or will be. */
function requestOf(
  deps: VoiceAccountsDeps,
  { id, projectId, owner, model, type }: VoiceSession,
  { turn, unpriced }: { turn: Turn; unpriced: string | undefined },
) {
  const by = type === 'transcription' ? (turn.transcriptionModel ?? model) : model;
  const known = deps.models.voicePrices(by);
  const each = known && nextResponseUsd(priceOf(deps, by), known, turn);
  const usd = unpriced !== undefined || each == null ? null : each * Math.max(1, turn.responses);
  const caller = { projectId, owner, runId: null };
  return { caller, model: unpriced ?? by, usd, sessionId: id };
}

class Account implements VoiceAccount {
  readonly model: string;
  readonly #deps: VoiceAccountsDeps;
  readonly #session: VoiceSession;
  readonly #lease: Lease;
  readonly #onRefused: (error: HoldfastError) => void;
  /** Bounded, for metrics. */
  readonly #label: string;
  #owedUsd = 0;
  /** Responses. */
  #unreported = 0;
  /** The latest charge, until it is known to be written. */
  #doubtful: SessionCharge | undefined;
  #unpriced: string | undefined;
  #next: Turn | undefined;
  #working: Promise<void> | undefined;
  /** Some budget applied to the latest reservation, as far as is known. */
  #limited = true;
  /** One response, where it could not be reserved and yet may be under way. */
  #refusedUsd = 0;
  /** No more is reserved: it was refused, or the session is over. */
  #over = false;

  constructor(
    deps: VoiceAccountsDeps,
    session: VoiceSession,
    lease: Lease,
    onRefused: (error: HoldfastError) => void,
  ) {
    this.#deps = deps;
    this.#session = session;
    this.#lease = lease;
    this.model = session.model;
    this.#onRefused = onRefused;
    const isListed = deps.models.list.some(model => model.id === session.model);
    this.#label = isListed ? session.model : 'other';
  }

  add(used: VoiceUsage, transcriptionModel?: string): number | null {
    const model = transcriptionModel ?? this.#session.model;
    const usd = voiceCostUsd(priceOf(this.#deps, model), used);
    if (usd === null) this.#unpriced = model;
    else this.#owedUsd += usd;
    const { telemetry } = this.#deps;
    // Clients name the model of the transcription, so its name is no label.
    const label = transcriptionModel === undefined ? this.#label : 'transcription';
    countCall(telemetry, { model: label, status: 200, tokens: tokensOf(used) });
    if (usd === null) {
      telemetry.meter.createCounter('holdfast_model_unpriced_total').add(1, { model: label });
    }
    return usd;
  }

  addUnreported(responses: number): void {
    this.#unreported += responses;
  }

  turn(next: Turn): void {
    this.#next = next;
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  get isLimited(): boolean {
    return this.#limited;
  }

  get reserving(): Promise<void> | undefined {
    return this.#limited ? this.#working : undefined;
  }

  async close(): Promise<void> {
    this.#over = true;
    await this.#working;
    this.#owedUsd = Math.max(this.#owedUsd, this.#unreported * this.#refusedUsd);
    await this.#settle();
  }

  /** One turn after the other; turns that come meanwhile are settled together. */
  async #work(): Promise<void> {
    while (this.#next !== undefined && !this.#over) {
      const turn = this.#next;
      this.#next = undefined;
      await this.#settle(turn);
    }
  }

  async #settle(turn?: Turn): Promise<void> {
    // What may have been written goes first, as it was.
    if (this.#doubtful !== undefined && !(await this.#write(this.#doubtful, turn))) return;
    // `close` settles the rest, and what is reserved for it.
    if (turn !== undefined && this.#over) return;
    const charge = { id: newId('rsv'), usd: this.#owedUsd, atLeastReserved: this.#unreported > 0 };
    this.#owedUsd = 0;
    this.#unreported = 0;
    await this.#write(charge, turn);
  }

  /** False where it is not known to be written: the session's lease is lost before that lasts. */
  async #write(charge: SessionCharge, turn: Turn | undefined): Promise<boolean> {
    const { database, telemetry } = this.#deps;
    this.#doubtful = charge;
    const next = turn && {
      ...requestOf(this.#deps, this.#session, { turn, unpriced: this.#unpriced }),
      isUnderWay: turn.responses > 0,
    };
    let outcome: ChargeOutcome | undefined;
    const settled = await settleSoon(telemetry, {
      ...charge,
      settle: async () => {
        outcome = await database.transaction(trx => this.#charge(trx, charge, next));
        return outcome.settled;
      },
      model: this.#label,
      about: { session_id: this.#session.id },
    });
    if (settled === undefined) return false;
    this.#doubtful = undefined;
    if (outcome?.isLimited !== undefined) this.#limited = outcome.isLimited;
    if (outcome?.refusal === undefined || this.#over) return true;
    this.#over = true;
    this.#refusedUsd = (next?.usd ?? 0) / Math.max(1, turn?.responses ?? 0);
    this.#onRefused(outcome.refusal);
    return true;
  }

  async #charge(trx: Trx, charge: SessionCharge, next?: NextReservation): Promise<ChargeOutcome> {
    if (await isHeld(trx, this.#lease)) {
      const { id, model, projectId, owner } = this.#session;
      const session = { id, model, caller: { projectId, owner, runId: null } };
      return chargeSession(trx, session, charge, next);
    }
    this.#over = true;
    return { settled: { usd: 0, reservedUsd: 0 } };
  }
}

function tokensOf({ input, output, cached }: VoiceUsage) {
  return {
    input: input.text + input.audio + input.image,
    output: output.text + output.audio,
    cached: cached.text + cached.audio + cached.image,
  };
}
