/**
 * The coding model: a script that looks at what it has done since the last instruction and takes
 * the next step. It keeps nothing in memory, so an agent that is resumed goes on where it was.
 *
 *   directives' commands → look around → mend `sum.js`, or write a line into NOTES.md
 *   → run the tests, where there are some → sum up what was done
 */
import type { Random } from '../random.ts';
import type { Conversation, Decision, PastCall, ToolCall } from './conversation.ts';
import { directivesOf, plainInstruction } from './directives.ts';
import { sampleOf } from './sample.ts';
import { Toolbox } from './toolbox.ts';

const BUG = 'return a - b';
const MENDED = 'return a + b';
const TESTS = 'node --test';
const NOTES = 'NOTES.md';
const NOTE_MAX_CHARS = 200;

export function decide(conversation: Conversation, random: Random): Decision {
  const { answerSchema, tools, calls } = conversation;
  if (answerSchema !== null) return { text: JSON.stringify(sampleOf(answerSchema)), calls: [] };
  if (tools.length === 0 || conversation.instruction === '') {
    return { text: 'This is a simulated model. It understands nothing.', calls: [] };
  }
  if (directivesOf(conversation.instruction).recall)
    return { text: recalled(conversation), calls: [] };
  const box = new Toolbox(conversation, random);
  const ordered = commandsOf(conversation);
  const done = Math.min(ordered.length, calls.length);
  if (done < ordered.length) {
    const call = box.call('shell', { command: ordered[done]! });
    if (call !== undefined) return step(`Step ${done + 1} of ${ordered.length}.`, call);
  }
  return work(conversation, box, calls.slice(done));
}

function recalled({ firstInstruction }: Conversation): string {
  if (firstInstruction === null) return 'I remember nothing.';
  return `I was asked: ${plainInstruction(firstInstruction, NOTE_MAX_CHARS)}`;
}

/** What the directives want run, one command a step. */
function commandsOf({ instruction }: Conversation): string[] {
  const { commands, steps } = directivesOf(instruction);
  const noted = Array.from({ length: steps }, (_, n) => `echo 'Step ${n + 1}.' >> ${NOTES}`);
  return [...commands, ...noted];
}

function work(conversation: Conversation, box: Toolbox, calls: readonly PastCall[]): Decision {
  const canLook = box.has('list') || box.has('shell');
  const looked = canLook ? calls[0] : undefined;
  if (canLook && looked === undefined) {
    const look = box.call('list', { path: '.' }) ?? box.call('shell', { command: 'ls' });
    if (look !== undefined) return step('I look at what is there.', look);
  }
  const has = (file: string) => (looked?.output ?? '').includes(file);
  const read = has('sum.js') ? calls[1] : undefined;
  if (has('sum.js') && read === undefined) {
    const look = box.call('read', { path: 'sum.js' }) ?? shell(box, 'cat sum.js');
    if (look !== undefined) return step('I read sum.js.', look);
  }
  const mends = read?.output.includes(BUG) === true;
  const rest = calls.slice([looked, read].filter(Boolean).length);
  if (rest.length === 0 && mends) {
    return write('sum subtracts. I mend it.', mend(box, read.output));
  }
  if (rest.length === 0) {
    // A listing that was cut short with its worker shows nothing of what the commands wrote.
    const exists = has(NOTES) || commandsOf(conversation).length > 0;
    return write(`I write it down in ${NOTES}.`, note(conversation, box, exists));
  }
  if (rest.length === 1 && mends && has('sum.test.js')) {
    const test = shell(box, TESTS);
    if (test !== undefined) return step('I run the tests.', test);
  }
  return { text: summary(conversation, mends, rest), calls: [] };
}

function step(text: string, call: ToolCall): Decision {
  return { text, calls: [call] };
}

function write(text: string, call: ToolCall | undefined): Decision {
  if (call === undefined) return { text: 'I was offered no tool to write with.', calls: [] };
  return step(text, call);
}

function shell(box: Toolbox, command: string): ToolCall | undefined {
  return box.call('shell', { command });
}

/** Changes the line alone, so that text which a tool put around the content does no harm. */
function mend(box: Toolbox, content: string): ToolCall | undefined {
  const patch = [
    '*** Begin Patch',
    '*** Update File: sum.js',
    '@@',
    `-  ${BUG};`,
    `+  ${MENDED};`,
    '*** End Patch',
  ].join('\n');
  return (
    box.call('edit', { path: 'sum.js', before: BUG, after: MENDED }) ??
    shell(box, `sed -i 's/${BUG}/${MENDED}/' sum.js`) ??
    box.call('patch', { patch }) ??
    box.call('write', { path: 'sum.js', content: content.replace(BUG, MENDED) })
  );
}

function note(conversation: Conversation, box: Toolbox, exists: boolean): ToolCall | undefined {
  const line = `- ${plainInstruction(conversation.instruction, NOTE_MAX_CHARS) || 'Nothing.'}`;
  const quoted = `'${line.replaceAll("'", `'\\''`)}'`;
  const append = shell(box, `printf '%s\\n' ${quoted} >> ${NOTES}`);
  if (exists && append !== undefined) return append;
  const patch = ['*** Begin Patch', `*** Add File: ${NOTES}`, `+${line}`, '*** End Patch'];
  return (
    box.call('write', { path: NOTES, content: `${line}\n` }) ??
    box.call('patch', { patch: patch.join('\n') }) ??
    append
  );
}

function summary(conversation: Conversation, mends: boolean, rest: readonly PastCall[]): string {
  const asked = plainInstruction(conversation.instruction, NOTE_MAX_CHARS);
  if (!mends) return `I noted the request in ${NOTES}: ${asked}`;
  const tests = rest[1] === undefined ? '' : ' and ran the tests';
  return `I mended sum.js, which subtracted instead of adding${tests}.`;
}
