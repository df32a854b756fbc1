/**
 * The thread that PGlite runs in. PGlite computes inside its calls and would hold up audio on the
 * main thread: during 2,000 awaited inserts a 5 ms timer fires not once.
 *
 * PGlite is one session. `Turns` gives it to one user at a time, in order of asking: a single
 * statement, or a transaction until it ends. A transaction ends by commit or rollback, by its
 * time-out, or by the death of the port it was begun on; then it is rolled back here, whatever its
 * caller does. Nothing but a transaction leaves one open behind it.
 */
import { readFile } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { OID, typeParsers } from '../types.ts';
import type { Control, Outgoing, WorkerSettings } from './messages.ts';
import { PortServer } from './port-server.ts';
import { Turns } from './turns.ts';

const settings = workerData as WorkerSettings;

async function openDatabase(): Promise<PGlite> {
  const dump = settings.dumpFile ? new Blob([await readFile(settings.dumpFile)]) : undefined;
  return PGlite.create({
    ...(settings.folder ? { dataDir: settings.folder } : {}),
    ...(dump ? { loadDataDir: dump } : {}),
    parsers: { ...typeParsers },
    serializers: {
      [OID.bytea]: (value: Uint8Array) => `\\x${Buffer.from(value).toString('hex')}`,
    },
  });
}

async function main(): Promise<void> {
  const lite = await openDatabase();
  const turns = new Turns();
  const control = parentPort;
  if (!control) throw new Error('the PGlite worker runs as a worker thread only');
  control.on('message', ({ attach: port }: Control) => {
    const send = (message: Outgoing) => port.postMessage(message);
    const firstTransaction = settings.firstTransaction ?? 0;
    const onClosed = () => control.close();
    const server = new PortServer({ lite, turns, send, firstTransaction, onClosed });
    port.on('message', message => server.handle(message));
    port.on('close', () => server.abandon());
  });
  control.postMessage('ready');
}

await main();
