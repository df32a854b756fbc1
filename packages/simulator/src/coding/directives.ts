/**
 * `[[simulate: …]]` in an instruction: what a test wants of the model, besides or instead of its
 * script. Unknown ones are ignored, as a real model would.
 */
const DIRECTIVE = /\[\[simulate:\s*([a-z]+)\s*([\s\S]*?)\]\]/g;
const MAX_SLOW_MS = 600_000;
const MAX_STEPS = 10_000;

export interface Directives {
  /** `slow 2000`: milliseconds before each answer. */
  readonly slowMs: number;
  /** `steps 20`: so many commands, each of which changes a file, before the script. */
  readonly steps: number;
  /** `env`, `command …`: run by the shell tool, in this order, before the script. */
  readonly commands: readonly string[];
  /** `recall`: answers with the first instruction of the conversation, and does nothing. */
  readonly recall: boolean;
  /** `hang`: no answer at all. */
  readonly hang: boolean;
  /** `error 500`: this status instead of an answer, every time. */
  readonly errorStatus: number | null;
}

export function directivesOf(instruction: string): Directives {
  const found = {
    slowMs: 0,
    steps: 0,
    recall: false,
    hang: false,
    errorStatus: null as number | null,
  };
  const commands: string[] = [];
  for (const [, name, rest = ''] of instruction.matchAll(DIRECTIVE)) {
    const text = rest.trim();
    if (name === 'slow') found.slowMs = within(text, MAX_SLOW_MS);
    else if (name === 'steps') found.steps = within(text, MAX_STEPS);
    else if (name === 'env') commands.push('env | sort');
    else if (name === 'command' && text !== '') commands.push(text);
    else if (name === 'recall') found.recall = true;
    else if (name === 'hang') found.hang = true;
    else if (name === 'error') {
      const status = Number.parseInt(text, 10);
      found.errorStatus = status >= 400 && status <= 599 ? status : 500;
    }
  }
  return { ...found, commands };
}

function within(text: string, max: number): number {
  const value = Number.parseInt(text, 10);
  return Number.isFinite(value) ? Math.min(Math.max(value, 0), max) : 0;
}

/** The instruction without its directives, on one line, for notes and summaries. */
export function plainInstruction(instruction: string, maxChars: number): string {
  const text = instruction.replaceAll(DIRECTIVE, ' ').replaceAll(/\s+/g, ' ').trim();
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 1)}…`;
}
