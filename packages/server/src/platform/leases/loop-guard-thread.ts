/**
 * The thread of `LoopGuard`. Time is counted in its own ticks: where the whole process was stopped,
 * this thread was too, and counts nothing as stuck.
 */
import { writeSync } from 'node:fs';
import { Session } from 'node:inspector';
import { workerData } from 'node:worker_threads';
import pg from 'pg';
import { HEARTBEAT_INTERVAL_MS } from './leases.ts';
import { BEAT_AT_NS, INSPECTED, LOOP_TICK_MS, type LoopGuardData, TURNS } from './loop-guard.ts';

const { url, replica, stuckMs, shared } = workerData as LoopGuardData;
const BEAT_TICKS = HEARTBEAT_INTERVAL_MS / LOOP_TICK_MS;
const STUCK_TICKS = Math.ceil(stuckMs / LOOP_TICK_MS);
const STDERR = 2;
/** The main loop runs no code of ours any more, and should still end by itself. */
const EXIT_MAX_MS = 2_000;

let client: pg.Client | undefined;
let isBeating = false;
let turns = -1n;
let missedTicks = 0;

const timer = setInterval(() => {
  const now = Atomics.load(shared, TURNS);
  missedTicks = now === turns ? missedTicks + 1 : 0;
  turns = now;
  if (missedTicks >= STUCK_TICKS) endProcess();
  // The main loop beats for itself while it turns.
  else if (missedTicks > 0 && missedTicks % BEAT_TICKS === 0) void beat();
}, LOOP_TICK_MS);

async function beat(): Promise<void> {
  if (isBeating) return;
  isBeating = true;
  try {
    client ??= await connect();
    const sentAtNs = process.hrtime.bigint();
    const query = 'update replicas set beat_at = clock_timestamp() where id = $1';
    const { rowCount } = await client.query(query, [replica]);
    // A row that was swept holds no lease; only the main loop makes a new one.
    if (rowCount === 1) Atomics.store(shared, BEAT_AT_NS, sentAtNs);
  } catch {
    // The next beat tries again; the main loop reports what is wrong with the database.
    drop();
  } finally {
    isBeating = false;
  }
}

async function connect(): Promise<pg.Client> {
  const made = new pg.Client({
    connectionString: url,
    application_name: 'holdfast heartbeat',
    connectionTimeoutMillis: HEARTBEAT_INTERVAL_MS,
    query_timeout: HEARTBEAT_INTERVAL_MS,
    keepAlive: true,
  });
  made.on('error', drop);
  await made.connect();
  return made;
}

function drop(): void {
  const broken = client;
  client = undefined;
  broken?.end().catch(() => undefined);
}

function say(line: string): void {
  writeSync(STDERR, `${line}\n`);
}

function kill(): void {
  if (process.pid !== 1) return void process.kill(process.pid, 'SIGKILL');
  say(
    'This is process 1 of its container, which cannot kill itself. It holds no lease any more: ' +
      'restart the container, and start it with an init process (docker run --init).',
  );
}

/** An inspector's session interrupts even an endless loop; `process.exit` here ends the thread. */
function endProcess(): void {
  clearInterval(timer);
  const seconds = Math.round(stuckMs / 1_000);
  say(`The main loop has not answered for ${seconds} s; the process ends.`);
  if (Atomics.load(shared, INSPECTED) === 1n) {
    say('Its inspector is open: a break in a debugger counts as no answer.');
  }
  setTimeout(kill, EXIT_MAX_MS);
  const session = new Session();
  session.connectToMainThread();
  session.post('Runtime.evaluate', { expression: 'process.exit(1)' });
}
