import { v7 } from 'uuid';

/**
 * Ids are ours everywhere: a prefix that names the kind and a UUIDv7 in hexadecimal without dashes,
 * so that ids sort by creation. A provider's ids are columns, never keys. Client secrets start with
 * `ek_` because clients expect it; they are secrets, not ids, and are not made here.
 */
export type IdPrefix =
  | 'ses' // voice session
  | 'rec' // recording
  | 'run' // one agent's work on one message
  | 'rpo' // repository
  | 'tsk' // task
  | 'msg' // message of a task
  | 'art' // artifact of a run
  | 'rsv' // reservation of money for one model call
  | 'bdg' // budget
  | 'pvk' // provider key
  | 'mtg'
  | 'prj' // project
  | 'key' // API key
  | 'rep' // replica: one server process
  | 'con' // console session
  | 'req' // request
  | 'rtc' // WebRTC call as clients see it
  | 'sec' // client secret's row
  | 'evt' // event injected into a provider-shaped stream
  | 'aud'; // audit entry

const ID = /^[a-z]{3}_[0-9a-f]{32}$/;

export function newUuidV7(): string {
  return v7();
}

export function newId<P extends IdPrefix>(prefix: P): `${P}_${string}` {
  return `${prefix}_${v7().replaceAll('-', '')}`;
}

/** Whether `value` is shaped like one of our ids of that kind; the row need not exist. */
export function isId(prefix: IdPrefix, value: unknown): value is string {
  return typeof value === 'string' && ID.test(value) && value.startsWith(`${prefix}_`);
}
