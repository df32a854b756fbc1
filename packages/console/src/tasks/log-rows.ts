import type { EventEnvelope } from '@holdfast/protocol';

/**
 * A run's log as rows: messages, tool calls, lines of output, and notes on the run's state. Fed
 * event by event, so a log of 50,000 lines costs no more per event than one of five. Pure.
 */
export type LogRow =
  | { kind: 'say'; key: string; seq: number; role: 'assistant' | 'user' | 'thought'; text: string }
  | { kind: 'line'; key: string; seq: number; stream: 'stdout' | 'stderr'; text: string }
  | { kind: 'tool'; key: string; seq: number; tool: ToolRow }
  | { kind: 'note'; key: string; seq: number; event: EventEnvelope };

export interface ToolRow {
  name: string;
  input: string | null;
  output: string | null;
  status: 'running' | 'ok' | 'error';
  exitCode: number | null;
  seconds: number | null;
}

/** Events that other parts of the column show, or that mean nothing to a reader. */
const SILENT = new Set([
  'run.created',
  'run.picked',
  'agent.session',
  'agent.plan',
  'model.called',
  'push.intended',
  'push.finished',
]);
/** A line that is longer is cut; the log of the server keeps it whole. */
export const LINE_MAX_CHARS = 4000;

export class LogRows {
  readonly rows: LogRow[] = [];
  private source: readonly EventEnvelope[] | null = null;
  private read = 0;
  private readonly tools = new Map<string, { row: ToolRow; atMs: number }>();
  /** The unfinished line of each stream, and the colours in effect at its end. */
  private open: Partial<Record<'stdout' | 'stderr', number>> = {};
  private colours = { stdout: '', stderr: '' };

  /** Reads what is new in a log that grows; another array begins anew. Returns whether any was. */
  update(events: readonly EventEnvelope[]): boolean {
    if (events !== this.source) this.reset(events);
    const from = this.read;
    while (this.read < events.length) this.add(events[this.read++]!);
    return this.read > from;
  }

  private reset(events: readonly EventEnvelope[]): void {
    this.source = events;
    this.read = 0;
    this.rows.length = 0;
    this.tools.clear();
    this.open = {};
    this.colours = { stdout: '', stderr: '' };
  }

  private add(event: EventEnvelope): void {
    const { data, seq, type } = event;
    const text = typeof data.text === 'string' ? data.text : null;
    if (type === 'agent.output') this.addOutput(event, text);
    else if (type === 'agent.message' || type === 'agent.thought') {
      if (text === null) return;
      const role =
        type === 'agent.thought' ? 'thought' : data.role === 'user' ? 'user' : 'assistant';
      this.push({ kind: 'say', key: `${seq}`, seq, role, text });
    } else if (type === 'tool.started') this.startTool(event);
    else if (type === 'tool.finished') this.finishTool(event);
    else if (!SILENT.has(type)) this.push({ kind: 'note', key: `${seq}`, seq, event });
  }

  private push(row: LogRow): void {
    this.open = {};
    this.rows.push(row);
  }

  private addOutput(event: EventEnvelope, text: string | null): void {
    const { seq, data } = event;
    if (text === null || text === '') return;
    const stream = data.stream === 'stderr' ? 'stderr' : 'stdout';
    const pieces = text.split('\n');
    for (const [index, piece] of pieces.entries()) {
      const last = index === pieces.length - 1;
      if (last && piece === '') break;
      this.addPiece(stream, `${seq}.${index}`, seq, last ? piece : piece.replace(/\r$/, ''));
      if (!last) delete this.open[stream];
    }
    if (data.truncated === true) this.push({ kind: 'note', key: `${seq}`, seq, event });
  }

  private addPiece(stream: 'stdout' | 'stderr', key: string, seq: number, piece: string): void {
    const index = this.open[stream];
    const row = index === undefined ? undefined : this.rows[index];
    const before = row?.kind === 'line' ? row.text : this.colours[stream];
    const whole = overwrite(before + piece).slice(0, LINE_MAX_CHARS);
    this.colours[stream] = runningColours(whole);
    if (row?.kind === 'line' && index !== undefined) {
      this.rows[index] = { ...row, text: whole };
      return;
    }
    this.open[stream] = this.rows.length;
    this.rows.push({ kind: 'line', key, seq, stream, text: whole });
  }

  private startTool({ seq, data, at }: EventEnvelope): void {
    const row: ToolRow = {
      name: String(data.name ?? ''),
      input: typeof data.input === 'string' ? data.input : null,
      output: null,
      status: 'running',
      exitCode: null,
      seconds: null,
    };
    this.tools.set(String(data.call_id), { row, atMs: Date.parse(at) });
    this.push({ kind: 'tool', key: `${seq}`, seq, tool: row });
  }

  private finishTool({ data, at }: EventEnvelope): void {
    const call = this.tools.get(String(data.call_id));
    if (!call) return;
    this.tools.delete(String(data.call_id));
    call.row.status = data.status === 'error' ? 'error' : 'ok';
    call.row.exitCode = typeof data.exit_code === 'number' ? data.exit_code : null;
    call.row.output = typeof data.output === 'string' ? data.output : null;
    call.row.seconds = Math.max(0, (Date.parse(at) - call.atMs) / 1000);
  }
}

/** A carriage return in a line writes over it from its start, as progress bars do. */
function overwrite(line: string): string {
  const end = line.endsWith('\r') ? line.length - 2 : line.length;
  return line.slice(line.lastIndexOf('\r', end) + 1);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes are what is looked for
const COLOUR = /\u001b\[([0-9;]*)m/g;
const COLOURS_MAX = 8;

/** The colour codes that are still in effect at a line's end and colour the next one. */
export function runningColours(line: string): string {
  let held: string[] = [];
  for (const [code, numbers] of line.matchAll(COLOUR)) {
    if (/^0*$/.test(numbers!.split(';')[0]!)) held = [];
    else held.push(code);
  }
  return held.slice(-COLOURS_MAX).join('');
}

// Cursor movements, titles, links and other codes that draw nothing, but not colours.
const OTHER_CODES = [
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes are what is looked for
  /\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?/g,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: see above
  /\u001b\[[0-9;?]*[ -/]*[@-ln-~]/g,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: see above
  /\u001b[()#][0-9A-Za-z]|\u001b[^[\]]/g,
];
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
const CONTROLS = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f]/g;

/** Removes everything from terminal output but text and colours. */
export function drawable(text: string): string {
  const bare = OTHER_CODES.reduce((left, code) => left.replace(code, ''), text);
  return bare.replace(CONTROLS, '');
}

export function plain(text: string): string {
  return drawable(text).replace(COLOUR, '');
}

/** The text that a search matches. */
function rowText(row: LogRow): string {
  if (row.kind === 'tool')
    return `${row.tool.name} ${row.tool.input ?? ''}\n${row.tool.output ?? ''}`;
  if (row.kind === 'note') return String(row.event.data.message ?? row.event.type);
  return row.text;
}

/** The rows that contain `query`, ignoring case, in order. */
export function findRows(rows: readonly LogRow[], query: string): number[] {
  const wanted = query.trim().toLowerCase();
  if (wanted === '') return [];
  const found: number[] = [];
  for (const [index, row] of rows.entries()) {
    if (plain(rowText(row)).toLowerCase().includes(wanted)) found.push(index);
  }
  return found;
}
