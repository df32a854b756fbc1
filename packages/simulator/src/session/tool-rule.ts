/**
 * When the simulated model calls a function, and with what. A real model understands; this one
 * matches words: a typed message that names a tool (`changeBackgroundColor`), or enough of its
 * words ("make the background #aabbcc"), calls it. The same text always gives the same call.
 */
import type { Random } from '../random.ts';
import type { SessionConfig, Tool } from './config.ts';

export interface FunctionCall {
  name: string;
  arguments: Record<string, unknown>;
}

interface PropertySchema {
  type?: unknown;
  enum?: unknown;
  description?: unknown;
}

const ENOUGH = 2;
const HEX_COLOUR = /#[0-9a-f]{6}\b|#[0-9a-f]{3}\b/i;
const COLOUR_WORDS: Record<string, string> = {
  black: '#000000',
  blue: '#0000ff',
  green: '#008000',
  orange: '#ffa500',
  pink: '#ffc0cb',
  purple: '#800080',
  red: '#ff0000',
  white: '#ffffff',
  yellow: '#ffff00',
};

function wordsOf(text: string): Set<string> {
  return new Set(text.toLowerCase().match(/[a-z0-9]+/g) ?? []);
}

/** `getPageHTML` -> get, page, html. */
function nameWords(name: string): string[] {
  return (name.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+/g) ?? []).map(word => word.toLowerCase());
}

function colourIn(text: string): string | undefined {
  const hex = HEX_COLOUR.exec(text)?.[0];
  if (hex !== undefined) return hex.toLowerCase();
  const word = [...wordsOf(text)].find(candidate => candidate in COLOUR_WORDS);
  return word === undefined ? undefined : COLOUR_WORDS[word];
}

function propertiesOf(tool: Tool): [string, PropertySchema][] {
  const properties = tool.parameters?.properties;
  if (typeof properties !== 'object' || properties === null) return [];
  return Object.entries(properties as Record<string, PropertySchema>);
}

function isColour([name, schema]: [string, PropertySchema]): boolean {
  return /colou?r/i.test(name) || /colou?r/i.test(String(schema.description ?? ''));
}

function scoreOf(tool: Tool, text: string): number {
  const name = tool.name ?? '';
  if (name !== '' && text.toLowerCase().includes(name.toLowerCase())) return 100;
  const words = wordsOf(text);
  const matched = nameWords(name).filter(word => words.has(word)).length;
  if (!propertiesOf(tool).some(isColour)) return matched;
  return matched + (HEX_COLOUR.test(text) ? 2 : colourIn(text) === undefined ? 0 : 1);
}

function argumentFor(property: [string, PropertySchema], text: string, random: Random): unknown {
  const [, schema] = property;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  if (isColour(property)) {
    return colourIn(text) ?? `#${random.below(0x1000000).toString(16).padStart(6, '0')}`;
  }
  if (schema.type === 'number' || schema.type === 'integer') {
    return Number(/-?\d+/.exec(text)?.[0] ?? 1);
  }
  if (schema.type === 'boolean') return true;
  if (schema.type === 'array') return [];
  if (schema.type === 'object') return {};
  return text;
}

function callOf(tool: Tool, text: string, random: Random): FunctionCall {
  const entries = propertiesOf(tool).map(property => [
    property[0],
    argumentFor(property, text, random),
  ]);
  return { name: tool.name ?? '', arguments: Object.fromEntries(entries) };
}

/** The call that `text` (what the user typed) leads to under this configuration, if any. */
export function callFor(
  text: string,
  config: Pick<SessionConfig, 'tools' | 'tool_choice'>,
  random: Random,
): FunctionCall | undefined {
  const choice = config.tool_choice;
  const tools = config.tools.filter(tool => tool.type === 'function');
  if (choice === 'none' || tools.length === 0) return undefined;
  if (typeof choice === 'object') {
    const chosen = tools.find(tool => tool.name === (choice as { name?: unknown }).name);
    return chosen === undefined ? undefined : callOf(chosen, text, random);
  }
  let best: Tool | undefined;
  let bestScore = choice === 'required' ? -1 : ENOUGH - 1;
  for (const tool of tools) {
    const score = scoreOf(tool, text);
    if (score > bestScore) [best, bestScore] = [tool, score];
  }
  return best === undefined ? undefined : callOf(best, text, random);
}
