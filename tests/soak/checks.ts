/**
 * What must hold when the load has ended: nothing lost between the clients and the model, nothing
 * missing in the log. Every check reports its figures whether it holds or not.
 */
import type { EventEnvelope, Session } from '@holdfast/protocol';
import type { SoakOptions } from './arguments.ts';
import type { ClientSession } from './messages.ts';
import type { SoakStack } from './stack.ts';

export interface Check {
  readonly name: string;
  readonly passed: boolean;
  readonly detail: string;
}

/** A session as the simulator's inspection shows it; see its README. */
export interface ModelSession {
  readonly id: string;
  readonly audio_sha256: string;
  readonly sent_sha256: string;
  readonly received: { readonly audio_bytes: number };
  readonly sent: { readonly audio_bytes: number };
}

interface LogFault {
  readonly id: string;
  readonly what: string;
}

/** The received rate must be this near to the planned one; otherwise the run did not measure it. */
const RATE_MIN = 0.98;
/** So much longer than planned may the load take, with what it takes to end the streams. */
const LATE_MAX_MS = 5_000;
const EVENTS_PAGE = 200;
const READ_AT_ONCE = 8;
const EXAMPLES = 3;
const ENDED_TIMEOUT_MS = 60_000;
const POLL_MS = 500;

export async function modelSessions(stack: SoakStack): Promise<ModelSession[]> {
  const response = await fetch(`${stack.simulatorUrl}/_simulator/sessions`);
  return ((await response.json()) as { data: ModelSession[] }).data;
}

export function checkConnections(clients: readonly ClientSession[]): Check {
  const faults = clients.flatMap(({ id, faults }) => faults.map(what => ({ id, what })));
  return checkOf('no drop, no close, no error', faults, `${clients.length} sessions`);
}

export function checkRate(
  options: SoakOptions,
  clients: readonly ClientSession[],
  elapsedMs: number,
): Check {
  const plannedFrames = (options.fps * options.sessions * options.durationMs) / 1_000;
  const sent = clients.reduce((total, { framesSent }) => total + framesSent, 0);
  const received = clients.reduce((total, { framesReceived }) => total + framesReceived, 0);
  const lateMs = elapsedMs - options.durationMs;
  const atLeast = plannedFrames * RATE_MIN;
  return {
    name: 'full rate',
    passed: sent >= atLeast && received >= atLeast && lateMs <= LATE_MAX_MS,
    detail:
      `${sent} frames up, ${received} down, planned ${Math.round(plannedFrames)} each, ` +
      `in ${(elapsedMs / 1_000).toFixed(1)} s`,
  };
}

export function checkHashes(
  clients: readonly ClientSession[],
  models: readonly ModelSession[],
): Check[] {
  const byId = new Map(models.map(model => [model.id, model]));
  const differing = (same: (client: ClientSession, model: ModelSession) => boolean) =>
    clients
      .filter(client => {
        const model = byId.get(client.upstreamId);
        return model === undefined || !same(client, model);
      })
      .map(({ id }) => ({ id, what: 'differs' }));
  const up = differing((client, model) => client.sentSha256 === model.audio_sha256);
  const down = differing((client, model) => client.receivedSha256 === model.sent_sha256);
  const bytes = (of: (model: ModelSession) => number) =>
    `${(models.reduce((total, model) => total + of(model), 0) / 1_000_000).toFixed(0)} MB of PCM`;
  return [
    checkOf(
      'SHA-256 client → model',
      up,
      bytes(model => model.received.audio_bytes),
    ),
    checkOf(
      'SHA-256 model → client',
      down,
      bytes(model => model.sent.audio_bytes),
    ),
  ];
}

/** Every session has ended, and its log has each fact, and no hole. */
export async function checkLogs(url: string, clients: readonly ClientSession[]): Promise<Check> {
  const faults: LogFault[] = [];
  const waiting = [...clients];
  let events = 0;
  const read = async () => {
    for (let client = waiting.pop(); client !== undefined; client = waiting.pop()) {
      const { id, facts } = client;
      if (!(await hasEnded(url, id))) faults.push({ id, what: 'has not ended' });
      const log = await readLog(url, id);
      events += log.length;
      faults.push(...faultsOf(log, facts).map(what => ({ id, what })));
    }
  };
  await Promise.all(Array.from({ length: READ_AT_ONCE }, read));
  return checkOf('log complete', faults, `${events} events`);
}

export async function checkMetrics(url: string): Promise<Check> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.match(/^holdfast_journal_dropped_total(\{.*\})? .*$/gm) ?? [];
  const dropped = lines.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
  return { name: 'journal drops nothing', passed: dropped === 0, detail: `${dropped} dropped` };
}

async function hasEnded(url: string, id: string): Promise<boolean> {
  const deadlineMs = performance.now() + ENDED_TIMEOUT_MS;
  for (;;) {
    const session = await get<Session>(`${url}/v1/sessions/${id}`);
    if (session.state === 'ended') return true;
    if (performance.now() > deadlineMs) return false;
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  }
}

async function readLog(url: string, id: string): Promise<EventEnvelope[]> {
  const log: EventEnvelope[] = [];
  for (;;) {
    const after = log.at(-1)?.seq ?? 0;
    const page = `/v1/sessions/${id}/events?after=${after}&limit=${EVENTS_PAGE}`;
    const { data } = await get<{ data: EventEnvelope[] }>(url + page);
    log.push(...data);
    if (data.length < EVENTS_PAGE) return log;
  }
}

function faultsOf(log: readonly EventEnvelope[], facts: number): string[] {
  const faults: string[] = [];
  const types = log.map(({ type }) => type);
  const returned = types.filter(type => type === 'tool.returned').length;
  if (log.some(({ seq }, index) => seq !== index + 1)) faults.push('the log has a hole');
  if (types.includes('journal.dropped')) faults.push('the journal dropped events');
  if (returned !== facts) faults.push(`${returned} of ${facts} facts are in the log`);
  if (types.at(-1) !== 'session.ended') faults.push(`the log ends with ${types.at(-1)}`);
  return faults;
}

async function get<T>(url: string): Promise<T> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`GET ${new URL(url).pathname}: ${response.status}`);
  return (await response.json()) as T;
}

function checkOf(name: string, faults: readonly LogFault[], figures: string): Check {
  if (faults.length === 0) return { name, passed: true, detail: figures };
  const examples = faults.slice(0, EXAMPLES).map(({ id, what }) => `${id}: ${what}`);
  const detail = `${figures}; ${faults.length} faults, such as ${examples.join('; ')}`;
  return { name, passed: false, detail };
}
