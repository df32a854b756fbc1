import type { JsonSchema } from './conversation.ts';

const MAX_DEPTH = 8;

/** The smallest value that fits a JSON Schema: first of an enum, required properties only. */
export function sampleOf(schema: JsonSchema, depth = 0): unknown {
  const { enum: choices, const: only, anyOf, properties, required } = schema;
  if (only !== undefined) return only;
  if (Array.isArray(choices) && choices.length > 0) return choices[0];
  if (Array.isArray(anyOf) && anyOf.length > 0) return sampleOf(anyOf[0], depth + 1);
  const type = String([schema.type].flat()[0] ?? 'string').toLowerCase();
  if (type === 'object') {
    if (depth >= MAX_DEPTH) return {};
    const known = (properties ?? {}) as Record<string, JsonSchema>;
    const names = Array.isArray(required) ? required.map(String) : Object.keys(known);
    return Object.fromEntries(names.map(name => [name, sampleOf(known[name] ?? {}, depth + 1)]));
  }
  if (type === 'array') return [];
  if (type === 'number' || type === 'integer') return Number(schema.minimum ?? 1);
  if (type === 'boolean') return false;
  if (type === 'null') return null;
  return 'simulated';
}
