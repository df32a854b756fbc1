/**
 * The faults there are, and the book of those that are active. A rule names a fault, its parameters
 * and the requests it acts on; `times` bounds how many.
 */
import { z } from 'zod';
import type { Behaviour } from '../behaviour.ts';
import { MAX_FAULT_RULES } from '../limits.ts';
import { close } from './close.ts';
import { delayFirstEvent } from './delay-first-event.ts';
import { delayOpen } from './delay-open.ts';
import { drop } from './drop.ts';
import { errorEvent } from './error-event.ts';
import { expire } from './expire.ts';
import type { Fault, FaultTarget, PendingRequest, Route } from './fault.ts';
import { hang } from './hang.ts';
import { lifetime } from './lifetime.ts';
import { loseAnswer } from './lose-answer.ts';
import { malformed } from './malformed.ts';
import { mutePongs } from './mute-pongs.ts';
import { refuse } from './refuse.ts';
import { resetBeforeOpen } from './reset-before-open.ts';
import { sessionUpdate } from './session-update.ts';
import { stallReading } from './stall-reading.ts';
import { text } from './text.ts';

export const FAULTS = {
  refuse,
  hang,
  reset_before_open: resetBeforeOpen,
  lose_answer: loseAnswer,
  delay_open: delayOpen,
  delay_first_event: delayFirstEvent,
  lifetime,
  session_update: sessionUpdate,
  expire,
  close,
  drop,
  stall_reading: stallReading,
  error_event: errorEvent,
  text,
  malformed,
  mute_pongs: mutePongs,
};

export const faultRule = z.discriminatedUnion('fault', [
  refuse.schema,
  hang.schema,
  resetBeforeOpen.schema,
  loseAnswer.schema,
  delayOpen.schema,
  delayFirstEvent.schema,
  lifetime.schema,
  sessionUpdate.schema,
  expire.schema,
  close.schema,
  drop.schema,
  stallReading.schema,
  errorEvent.schema,
  text.schema,
  malformed.schema,
  mutePongs.schema,
]);
export type FaultRule = z.infer<typeof faultRule>;

/** The fault of a rule; the rule is its parameters, checked by its own schema. */
function faultOf(rule: FaultRule): Fault {
  return FAULTS[rule.fault] as Fault;
}

interface Entry {
  id: string;
  rule: FaultRule;
  left: number;
}

export class FaultBook {
  readonly #entries: Entry[] = [];
  #count = 0;

  constructor(rules: readonly FaultRule[]) {
    for (const rule of rules) this.add(rule);
  }

  /** The new rule's id, or undefined when the book is full. */
  add(rule: FaultRule): string | undefined {
    if (this.#entries.length >= MAX_FAULT_RULES) return undefined;
    this.#count += 1;
    const id = `fault_${this.#count}`;
    this.#entries.push({ id, rule, left: rule.times ?? Number.POSITIVE_INFINITY });
    return id;
  }

  remove(id: string): boolean {
    const index = this.#entries.findIndex(entry => entry.id === id);
    if (index >= 0) this.#entries.splice(index, 1);
    return index >= 0;
  }

  clear(): void {
    this.#entries.length = 0;
  }

  list() {
    return this.#entries.map(({ id, rule, left }) => ({
      id,
      left: Number.isFinite(left) ? left : null,
      ...rule,
    }));
  }

  /** The rules that apply to this request; each counts as used. */
  take(route: Route, model: string | undefined): FaultRule[] {
    const taken = this.#entries.filter(
      ({ rule }) => rule.routes.includes(route) && [undefined, model].includes(rule.model),
    );
    for (const entry of taken) {
      entry.left -= 1;
      if (entry.left <= 0) this.remove(entry.id);
    }
    return taken.map(entry => entry.rule);
  }
}

/** Runs the request faults among `rules`; true when one of them dealt with the request. */
export async function befallRequest(
  rules: readonly FaultRule[],
  request: PendingRequest,
): Promise<boolean> {
  for (const rule of rules) {
    if (await faultOf(rule).onRequest?.(rule, request)) return true;
  }
  return false;
}

export function shapeBehaviour(rules: readonly FaultRule[], behaviour: Behaviour): Behaviour {
  let shaped = behaviour;
  for (const rule of rules) shaped = faultOf(rule).shape?.(rule, shaped) ?? shaped;
  return shaped;
}

export function befallSession(rules: readonly FaultRule[], target: FaultTarget): void {
  for (const rule of rules) faultOf(rule).onOpen?.(rule, target);
}
