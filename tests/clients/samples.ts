import type { Places } from '../../tools/docs/client-events.ts';

/** One request or event for each parameter of a client's typings, with nothing else in it. */
type Json = Record<string, unknown>;

export interface Sample {
  /** Empty: with no parameter at all. */
  readonly path: string;
  readonly value: Json;
}

/** `given` are values for parameters whose form is checked. */
export function samplesOf(
  places: Places,
  given: Readonly<Record<string, unknown>> = {},
  required: Json = {},
  /** Of an event: what every one has. */
  common: readonly string[] = ['type', 'event_id'],
): Sample[] {
  const paths = [...places.keys()].filter(path => !common.includes(path));
  return [
    { path: '', value: required },
    ...paths.map((path, index) => {
      const { literals, isOpen, isAny } = places.get(path)!;
      // The last, because the first is often what holds without it.
      const literal = [...literals].at(-1);
      const own = isAny ? { any: `value-${index}` } : `value-${index}`;
      const value = given[path] ?? (literal !== undefined && !isOpen ? literal : own);
      return { path, value: merged(required, nested(path, value, places)) };
    }),
  ];
}

/** An element of a list tells its type, where it has one. */
function nested(path: string, value: unknown, places: Places): Json {
  const steps = path.split('.');
  let inner = value;
  for (let at = steps.length - 1; at >= 0; at--) {
    const [name = '', ...arrays] = steps[at]!.split('[]');
    const [type] = places.get(`${steps.slice(0, at + 1).join('.')}.type`)?.literals ?? [];
    if (arrays.length > 0 && type !== undefined && isObject(inner)) inner = { type, ...inner };
    for (const _ of arrays) inner = [inner];
    inner = { [name]: inner };
  }
  return inner as Json;
}

function merged(one: Json, other: Json): Json {
  const sum = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const own = sum[key];
    sum[key] = isObject(own) && isObject(value) ? merged(own, value) : value;
  }
  return sum;
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
