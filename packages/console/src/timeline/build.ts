import type { EventEnvelope } from '@holdfast/protocol';
import { RUN_ENDINGS } from '@holdfast/protocol/run-endings';

/**
 * A log as a picture: what lasted becomes a span on a lane, what happened at one moment a mark. All
 * times are the database's, in ms since the epoch. Pure, and indifferent to what kind of work it is
 * beyond the event types it knows; a type it does not know is a mark.
 */
export const LANES = ['you', 'model', 'tools'] as const;
export type Lane = (typeof LANES)[number];

export interface Span {
  /** The event the cursor goes to when the span is chosen. */
  readonly seq: number;
  readonly startMs: number;
  readonly endMs: number;
  /** Still going on: it ends where the picture does. */
  readonly open: boolean;
  readonly text: string;
  /** The user broke in. */
  readonly cut: boolean;
}

export interface Mark {
  readonly seq: number;
  readonly atMs: number;
  readonly type: string;
  readonly shape: 'dot' | 'life' | 'error';
}

/** A period in which one server held the lease. */
export interface Holding {
  readonly replica: string;
  readonly revision: string;
  readonly seq: number;
  readonly startMs: number;
  readonly endMs: number;
}

export interface Timeline {
  readonly startMs: number;
  readonly endMs: number;
  readonly lanes: Readonly<Record<Lane, readonly Span[]>>;
  readonly marks: readonly Mark[];
  readonly holdings: readonly Holding[];
}

/** Types that are drawn as spans and would only be doubled by a mark. */
const SPANNED = new Set([
  'speech.started',
  'speech.stopped',
  'item.added',
  'transcript.user',
  'transcript.assistant',
  'tool.called',
  'tool.returned',
  'tool.started',
  'tool.finished',
  'agent.message',
  'agent.thought',
  'agent.output',
]);
const FINALS: ReadonlySet<string> = new Set([
  'session.ended',
  'session.expired',
  'session.failed',
  ...RUN_ENDINGS,
]);
const ERRORS = new Set([
  'session.failed',
  'upstream.error',
  'transcript.failed',
  'tool.failed',
  'journal.dropped',
  'run.failed',
  'agent.retrying',
]);
/** A span that would be thinner than this is drawn as wide. */
const SHORTEST_MS = 250;

interface Draft {
  seq: number;
  startMs: number;
  endMs: number | null;
  text: string;
  cut: boolean;
}

/** Draws a log that reaches to `endMs`: the present while live, its last event otherwise. */
export function buildTimeline(events: readonly EventEnvelope[], nowMs: number | null): Timeline {
  const you = new Map<string, Draft>();
  const model = new Map<string, Draft>();
  const tools = new Map<string, Draft>();
  for (const event of events) {
    const data = event.data as Record<string, string | undefined>;
    const atMs = Date.parse(event.at);
    if (event.type.startsWith('agent.') || event.type.startsWith('run.')) {
      drawAgent({ you, model, tools }, event, { data, atMs });
    } else if (event.type.startsWith('tool.')) drawTool(tools, event, { data, atMs });
    else if (event.type === 'item.added') {
      if (data.role === 'assistant') begin(model, data.item_id, { event, atMs });
      else if (data.role === 'user') drawTyped(you, event, { data, atMs });
      else if (data.item_type === 'function_call_output') endOldest(tools, atMs);
    } else if (event.type.startsWith('speech.') || event.type === 'transcript.user') {
      drawUser(you, event, { data, atMs });
    } else drawModel(model, event, { data, atMs });
  }
  const startMs = events[0] ? Date.parse(events[0].at) : (nowMs ?? 0);
  const endMs = Math.max(endOf(events, nowMs), startMs + SHORTEST_MS);
  const close = (drafts: Map<string, Draft>) => spans(drafts, endMs);
  return {
    startMs,
    endMs,
    lanes: { you: close(you), model: close(model), tools: close(tools) },
    marks: events.filter(event => !SPANNED.has(event.type)).map(event => mark(event, endMs)),
    holdings: holdings(events, endMs),
  };
}

/**
 * A log may grow long after the work was over (a recording that is uploaded next week); such facts
 * stand at the end of the picture and do not stretch it.
 */
function endOf(events: readonly EventEnvelope[], nowMs: number | null): number {
  const final = events.find(event => FINALS.has(event.type));
  const last = final ?? events.at(-1);
  const lastMs = last ? Date.parse(last.at) : 0;
  return final ? lastMs : Math.max(nowMs ?? 0, lastMs);
}

interface Moment {
  data: Record<string, string | undefined>;
  atMs: number;
}

function begin(
  lane: Map<string, Draft>,
  id: string | undefined,
  { event, atMs }: { event: EventEnvelope; atMs: number },
): Draft {
  const key = id ?? `seq-${event.seq}`;
  const known = lane.get(key);
  if (known) return known;
  const draft: Draft = { seq: event.seq, startMs: atMs, endMs: null, text: '', cut: false };
  lane.set(key, draft);
  return draft;
}

function drawUser(lane: Map<string, Draft>, event: EventEnvelope, { data, atMs }: Moment): void {
  const draft = begin(lane, data.item_id, { event, atMs });
  if (event.type === 'speech.stopped') draft.endMs = atMs;
  if (event.type === 'transcript.user') {
    draft.text = data.text ?? '';
    draft.seq = event.seq;
    draft.endMs ??= atMs;
  }
}

/** A spoken turn is announced without text; a typed one has its text and takes no time. */
function drawTyped(lane: Map<string, Draft>, event: EventEnvelope, { data, atMs }: Moment): void {
  const draft = begin(lane, data.item_id, { event, atMs });
  if (data.text) draft.text = data.text;
  draft.endMs ??= atMs;
}

/** Over WebRTC an output is seen as an item that does not name its call. */
function endOldest(lane: Map<string, Draft>, atMs: number): void {
  const open = lane.values().find(draft => draft.endMs === null);
  if (open) open.endMs = atMs;
}

function drawModel(lane: Map<string, Draft>, event: EventEnvelope, { data, atMs }: Moment): void {
  if (event.type === 'transcript.assistant') {
    const draft = begin(lane, data.item_id, { event, atMs });
    draft.text = data.text ?? '';
    draft.seq = event.seq;
    draft.endMs = atMs;
  } else if (event.type === 'item.truncated') {
    const draft = lane.get(data.item_id ?? '');
    if (draft) draft.cut = true;
  } else if (event.type === 'response.done' || event.type.startsWith('session.')) {
    if (event.type === 'session.updated') return;
    for (const draft of lane.values()) draft.endMs ??= atMs;
  }
}

interface RunLanes {
  you: Map<string, Draft>;
  model: Map<string, Draft>;
  tools: Map<string, Draft>;
}

/** An agent's message spans the time since its previous event: its start, or a tool. */
function drawAgent(lanes: RunLanes, event: EventEnvelope, { data, atMs }: Moment): void {
  if (event.type === 'run.created') {
    const draft = begin(lanes.you, undefined, { event, atMs });
    draft.text = data.instruction ?? '';
    draft.endMs = atMs;
  } else if (event.type === 'agent.message' || event.type === 'agent.thought') {
    const lane = data.role === 'user' ? lanes.you : lanes.model;
    const draft = begin(lane, undefined, { event, atMs });
    draft.text = data.text ?? '';
    draft.endMs = atMs;
    if (lane === lanes.model) draft.startMs = Math.min(atMs, lastEnd(lanes) ?? atMs);
  } else if (FINALS.has(event.type) || event.type === 'run.requeued') {
    for (const draft of lanes.tools.values()) draft.endMs ??= atMs;
  }
}

/** When the newest step but the one just begun was over. */
function lastEnd({ model, tools }: RunLanes): number | null {
  const said = [...model.values()].at(-2)?.endMs ?? null;
  const done = [...tools.values()].at(-1)?.endMs ?? null;
  return said === null ? done : Math.max(said, done ?? said);
}

function drawTool(lane: Map<string, Draft>, event: EventEnvelope, { data, atMs }: Moment): void {
  const draft = begin(lane, data.call_id, { event, atMs });
  if (event.type === 'tool.called' || event.type === 'tool.started') draft.text = data.name ?? '';
  else draft.endMs = atMs;
}

function spans(drafts: Map<string, Draft>, endMs: number): Span[] {
  return [...drafts.values()].map(({ seq, startMs, endMs: end, text, cut }) => ({
    seq,
    startMs,
    endMs: Math.max(end ?? endMs, startMs + SHORTEST_MS),
    open: end === null,
    text,
    cut,
  }));
}

function mark(event: EventEnvelope, endMs: number): Mark {
  const life = event.type.startsWith('session.') || event.type.startsWith('run.');
  const shape = ERRORS.has(event.type) ? 'error' : life ? 'life' : 'dot';
  return { seq: event.seq, atMs: Math.min(endMs, Date.parse(event.at)), type: event.type, shape };
}

const RELEASES = new Set(['session.disconnected', 'session.gap', 'run.requeued', ...FINALS]);
const TAKES = new Set(['session.connected', 'run.started', 'run.resumed']);

function holdings(events: readonly EventEnvelope[], endMs: number): Holding[] {
  const found: Holding[] = [];
  let held: Omit<Holding, 'endMs'> | null = null;
  for (const event of events) {
    const atMs = Date.parse(event.at);
    if (held && (RELEASES.has(event.type) || TAKES.has(event.type))) {
      found.push({ ...held, endMs: heldUntil(event, held.startMs) });
      held = null;
    }
    if (TAKES.has(event.type)) {
      const { replica = '', revision = '' } = event.data as Record<string, string | undefined>;
      held = { replica, revision, seq: event.seq, startMs: atMs };
    }
  }
  return held ? [...found, { ...held, endMs }] : found;
}

/** A lost server held the work until its last activity, not until the loss was noticed. */
function heldUntil(event: EventEnvelope, startMs: number): number {
  const { since } = event.data;
  const lost = event.type === 'session.gap' && typeof since === 'string';
  return Math.max(startMs, Date.parse(lost ? since : event.at));
}
