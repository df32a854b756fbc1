/**
 * How PostgreSQL's types arrive in JavaScript:
 *
 *   int8, count()          number; a value beyond 2^53-1 throws instead of losing digits
 *   numeric, sum(int8)     string (exact); cast to float8 or int8 to get a number
 *   timestamptz            Date
 *   timestamp              Date, read as UTC
 *   date, interval         string, as PostgreSQL writes it
 *   bytea                  Uint8Array
 *   json, jsonb            parsed
 *
 * Arrays of int8, timestamptz and bytea are not parsed alike; select them as jsonb instead.
 * Parameters: give jsonb as `JSON.stringify(value)`, for node-postgres writes a bare array as a
 * PostgreSQL array.
 */
const OID = {
  bytea: 17,
  int8: 20,
  json: 114,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  numeric: 1700,
  jsonb: 3802,
} as const;

export type TypeParser = (text: string) => unknown;

export const typeParsers: Readonly<Record<number, TypeParser>> = {
  [OID.bytea]: text => new Uint8Array(Buffer.from(text.slice(2), 'hex')),
  [OID.int8]: parseInt8,
  [OID.json]: text => JSON.parse(text),
  [OID.date]: text => text,
  [OID.timestamp]: text => new Date(`${text.replace(' ', 'T')}Z`),
  [OID.timestamptz]: parseTimestamptz,
  [OID.interval]: text => text,
  [OID.numeric]: text => text,
  [OID.jsonb]: text => JSON.parse(text),
};

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError('an int8 does not fit a number');
  return value;
}

/** `2026-11-22 05:20:00.123456+00`, `…+05:30`: PostgreSQL's ISO style, any session time zone. */
function parseTimestamptz(text: string): Date {
  const iso = text.replace(' ', 'T');
  return new Date(/[+-]\d\d$/.test(iso) ? `${iso}:00` : iso);
}
