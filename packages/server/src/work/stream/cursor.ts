import { createHash } from 'node:crypto';
import { HoldfastError } from '../../kernel/index.ts';
import type { Kinds } from '../kinds.ts';

/** Logs on one stream; more need a second one. */
const STREAM_SUBJECTS_MAX = 50;
const NUMBER = /^\d{1,15}$/;
const SET_CHARS = 8;

/** The number of an event, as a header or a query names it. Throws `invalid_request`. */
export function cursorNumber(text: string, field: string): number {
  if (NUMBER.test(text)) return Number(text);
  throw new HoldfastError('invalid_request', 'The cursor is not the number of an event.', {
    field,
  });
}

/** `run_a:7,run_b:0`, or without numbers; in the order given. Throws `invalid_request`. */
export function parseSubjects(text: string, kinds: Kinds): Map<string, number> {
  const positions = new Map<string, number>();
  for (const part of text.split(',')) {
    const [subject = '', number = '0', ...more] = part.split(':');
    if (kinds.ofId(subject) === undefined || !NUMBER.test(number) || more.length > 0) {
      throw badSubjects('subjects is a list such as run_…:7,run_…:0.');
    }
    if (positions.has(subject)) throw badSubjects('subjects names one of them twice.');
    positions.set(subject, Number(number));
    if (positions.size > STREAM_SUBJECTS_MAX) {
      throw badSubjects(`At most ${STREAM_SUBJECTS_MAX} subjects share a stream.`);
    }
  }
  return positions;
}

function badSubjects(text: string): HoldfastError {
  return new HoldfastError('invalid_request', text, { field: 'subjects' });
}

/**
 * Where each log of a stream stands, in the order of its subjects and bound to that set: it means
 * nothing on a stream of others.
 */
export function cursorText(positions: ReadonlyMap<string, number>): string {
  return [setName(positions), ...[...positions.values()].map(seq => seq.toString(36))].join('.');
}

/** The positions of a cursor for these subjects. Throws `invalid_request` for any other text. */
export function parseCursor(
  text: string,
  subjects: ReadonlyMap<string, number>,
  field: string,
): Map<string, number> {
  const [set, ...numbers] = text.split('.');
  const valid =
    set === setName(subjects) &&
    numbers.length === subjects.size &&
    numbers.every(number => /^[0-9a-z]{1,10}$/.test(number));
  if (!valid) {
    throw new HoldfastError('invalid_request', 'The cursor is not one of this stream.', { field });
  }
  return new Map([...subjects.keys()].map((id, at) => [id, Number.parseInt(numbers[at]!, 36)]));
}

/** Made once per set: it stands in front of every event. */
let lastSet: { readonly key: string; readonly name: string } | undefined;

function setName(positions: ReadonlyMap<string, number>): string {
  const key = [...positions.keys()].join(',');
  if (lastSet?.key !== key) {
    const name = createHash('sha256').update(key).digest('base64url').slice(0, SET_CHARS);
    lastSet = { key, name };
  }
  return lastSet.name;
}
