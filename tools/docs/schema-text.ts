import { code } from './markdown.ts';

/** The little of JSON Schema that the reference pages show. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A type as a reader writes it: `integer`, `string[]`, `"a" \| "b"`, `{id, name}`. */
export function typeText(schema: JsonSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map(value => JSON.stringify(value)).join(' | ');
  if (schema.anyOf) return schema.anyOf.map(typeText).join(' | ');
  if (schema.type === 'array') {
    const items = typeText(schema.items ?? {});
    return items.includes(' | ') ? `(${items})[]` : `${items}[]`;
  }
  if (schema.type === 'object' && schema.properties) {
    return `{${Object.keys(schema.properties).join(', ')}}`;
  }
  if (Array.isArray(schema.type)) return schema.type.join(' | ');
  if (schema.format === 'date-time') return 'timestamp';
  return schema.type === undefined ? 'any' : String(schema.type);
}

/** `name` with a question mark when it may be left out, its type, and what it is. */
export function propertyRows(schema: JsonSchema): string[][] {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([name, property]) => [
    code(required.has(name) ? name : `${name}?`),
    code(typeText(property)),
    [property.description, boundsText(property)].filter(Boolean).join(' '),
  ]);
}

export function boundsText({ minimum, maximum, default: fallback }: JsonSchema): string {
  const isBounded = (maximum ?? Number.MAX_SAFE_INTEGER) < Number.MAX_SAFE_INTEGER;
  const range = isBounded ? `${minimum ?? 0} to ${maximum}.` : '';
  const text = fallback === undefined ? '' : `Default: ${code(JSON.stringify(fallback))}.`;
  return [range, text].filter(Boolean).join(' ');
}
