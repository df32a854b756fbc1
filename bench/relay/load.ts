/**
 * The load process: clients and the upstream of all relays under test, on a core of its own. Takes
 * requests over its IPC channel, one at a time. Its first message is the upstream's port.
 *
 * Frames are sent on schedule, each session at its own moment within the period, both directions;
 * what comes due within the same millisecond leaves together.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { cpuNs } from '../lib/proc.ts';
import { quantile } from '../lib/stats.ts';
import { appendEvent, deltaEvent, textFrame } from './frames.ts';
import { attachUpstream, type Direction, LoadSession, type Meter } from './load-session.ts';
import type { OpenRequest, Reply, Request, RunRequest, RunResult } from './messages.ts';

const HANDSHAKE_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const DRAIN_TIMEOUT_MS = 5_000;
const OPEN_AT_ONCE = 20;

/** Counts frames of the size that is being measured, and their latencies while it is. */
class Recorder implements Meter {
  sizeBytes = 0;
  measuring = false;
  frames = 0;
  latenciesMs: number[] = [];

  arrived(direction: Direction, payloadBytes: number): void {
    if (payloadBytes !== this.sizeBytes || direction.inFlight === 0) return;
    const sentAtMs = direction.received();
    if (!this.measuring) return;
    this.frames++;
    this.latenciesMs.push(performance.now() - sentAtMs);
  }
}

const recorder = new Recorder();
const targets = new Map<string, LoadSession[]>();
let nextId = 0;

const created =
  '{"type":"session.created","event_id":"event_CBf3k","session":{"type":"realtime","object":' +
  '"realtime.session","id":"sess_CBf3k","model":"gpt-realtime","output_modalities":["audio"]}}';

function startUpstream(): Promise<number> {
  const server = createServer();
  server.on('upgrade', (request, socket: Duplex, head: Buffer) => {
    const key = request.headers['sec-websocket-key'] + HANDSHAKE_GUID;
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${createHash('sha1').update(key).digest('base64')}\r\n\r\n`,
    );
    socket.write(textFrame(created, false));
    attachUpstream(socket, head);
  });
  return new Promise(resolve => {
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
}

async function open(request: OpenRequest): Promise<void> {
  const sessions: LoadSession[] = targets.get(request.target) ?? [];
  targets.set(request.target, sessions);
  while (sessions.length < request.count) {
    const batch = Math.min(OPEN_AT_ONCE, request.count - sessions.length);
    const opening = Array.from({ length: batch }, () =>
      LoadSession.open({ ...request, id: nextId++, meter: recorder }),
    );
    sessions.push(...(await Promise.all(opening)));
  }
}

function close(target: string): void {
  for (const session of targets.get(target) ?? []) session.close();
  targets.delete(target);
}

async function run(request: RunRequest): Promise<RunResult> {
  const directions = prepare(request);
  const periodMs = 1000 / request.framesPerSecond;
  const startMs = performance.now();
  directions.forEach((direction, i) => {
    direction.nextAtMs = startMs + (i * periodMs) / directions.length;
  });
  const timer = setInterval(() => {
    const nowMs = performance.now();
    for (const direction of directions) {
      if (direction.nextAtMs > nowMs) continue;
      direction.nextAtMs += periodMs;
      direction.send(nowMs);
    }
  }, 1);
  try {
    await sleep(request.warmUpMs);
    return await measure(request);
  } finally {
    clearInterval(timer);
    await drained(directions);
  }
}

function prepare(request: RunRequest): Direction[] {
  const sessions = targets.get(request.target) ?? [];
  const { sizeBytes } = request;
  recorder.sizeBytes = sizeBytes;
  for (const { up, down } of sessions) {
    up.frame = textFrame(appendEvent(sizeBytes), true);
    down.frame = textFrame(deltaEvent(sizeBytes), false);
  }
  // Both directions of a session half a period apart.
  return [...sessions.map(session => session.up), ...sessions.map(session => session.down)];
}

async function measure(request: RunRequest): Promise<RunResult> {
  recorder.frames = 0;
  recorder.latenciesMs = [];
  const fromMs = performance.now();
  const fromNs = cpuNs(request.pids);
  const loadFromNs = cpuNs([process.pid]);
  recorder.measuring = true;
  await sleep(request.measureMs);
  recorder.measuring = false;
  const { frames } = recorder;
  const usedNs = cpuNs(request.pids) - fromNs;
  const sorted = recorder.latenciesMs.sort((a, b) => a - b);
  return {
    frames,
    cpuNs: usedNs,
    elapsedMs: performance.now() - fromMs,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    loadCpuNs: cpuNs([process.pid]) - loadFromNs,
  };
}

/** Waits for what is under way, so that the next run finds nothing of this one. */
async function drained(directions: readonly Direction[]): Promise<void> {
  let before = Number.POSITIVE_INFINITY;
  for (;;) {
    const inFlight = directions.reduce((sum, direction) => sum + direction.inFlight, 0);
    if (inFlight === 0) return;
    if (inFlight === before) throw new Error(`${inFlight} frames did not arrive`);
    before = inFlight;
    const deadlineMs = performance.now() + DRAIN_TIMEOUT_MS;
    while (performance.now() < deadlineMs && directions.some(({ inFlight }) => inFlight > 0)) {
      await sleep(5);
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

process.on('message', async (request: Request) => {
  let reply: Reply = { ok: true };
  try {
    if (request.kind === 'open') await open(request);
    else if (request.kind === 'close') close(request.target);
    else reply = { ok: true, result: await run(request) };
  } catch (error) {
    reply = { ok: false, error: String(error) };
  }
  process.send!(reply);
});
process.on('disconnect', () => process.exit());
process.send!(await startUpstream());
