/**
 * Starts everything, prints the banner, and ends everything again:
 *
 *   simulator, database, console build → server, worker → banner → (a request to end, or the
 *   server's own end) → server and worker drain → database → simulator
 *
 * A worker or a database that dies is started again. A server that dies ends the launcher with its
 * exit code: so that a service manager sees it. Whatever kills the launcher, the order stays: the
 * server and the worker drain when their standard input ends, the database's guard waits for the
 * lock that they hold, and the simulator for its lifeline.
 */
import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readDotenv } from '../../packages/server/src/config/index.ts';
import { makeSocketDir } from '../../packages/server/src/platform/database/embedded/socket-dir.ts';
import { banner } from './banner.ts';
import { buildConsoleWhenStale } from './console-build.ts';
import { startDatabase } from './database.ts';
import { EndRequests } from './end-requests.ts';
import { type Plan, planStart, simulatedUpstream } from './plan.ts';
import { type Given, type ServerProcess, startServer, whenReady } from './server.ts';
import { type RunningSimulator, startSimulator } from './simulator.ts';
import { startWorker } from './worker.ts';

/** Answers the exit code once everything has ended. */
export async function launch(): Promise<number> {
  const plan = planStart(process.env, readDotenv('.env'));
  const requests = new EndRequests();
  // Without these listeners a reader of our output that goes away would end us, out of order.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  mkdirSync(plan.dataDir, { recursive: true, mode: 0o700 });
  // What Node has compiled once is kept: it is a third of the work of a later start.
  const NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE ?? join(plan.dataDir, 'compiled');
  const pages = plan.buildConsole ? buildConsoleWhenStale() : undefined;
  const starting = {
    simulator: plan.simulate ? startSimulator({ NODE_COMPILE_CACHE }) : undefined,
    database: plan.database ? startDatabase(plan.dataDir, plan.database.poolMax) : undefined,
  };
  // A failure is thrown where it is waited for, below; the others are waited for before.
  for (const part of [starting.simulator, starting.database]) part?.catch(() => {});
  try {
    const simulator = await starting.simulator;
    const database = await starting.database;
    if (requests.any) return 0;
    const given: Around['given'] = {
      drainMs: plan.drainMs,
      settings: {
        NODE_COMPILE_CACHE,
        ...(simulator ? simulatedUpstream(simulator.url, plan.simulated) : {}),
        ...(database && { HOLDFAST_LAUNCHER_DATABASE_URL: database.url }),
        ...plan.added,
      },
      held: [...(simulator ? [simulator.lifeline] : []), ...(database ? [database.lockFd] : [])],
    };
    return await serve(plan, { given, simulator, pages, requests });
  } finally {
    await starting.database?.then(
      database => database.close(),
      () => {},
    );
    await starting.simulator?.then(
      simulator => simulator.stop(),
      () => {},
    );
    requests.close();
  }
}

interface Around {
  readonly given: Omit<Given, 'name'>;
  readonly simulator: RunningSimulator | undefined;
  readonly pages: ReturnType<typeof buildConsoleWhenStale> | undefined;
  readonly requests: EndRequests;
}

/** From the start of the server to the end of server and worker. */
async function serve(plan: Plan, around: Around): Promise<number> {
  const [server, ...workers] = startProcesses(plan, around.given);
  let isOver = false;
  const all = [server, ...workers];
  around.requests.to(() => {
    for (const process of all) process.interrupt();
  });
  void around.simulator?.ended.then(() => {
    if (isOver || around.requests.any) return;
    console.error('The simulated model ended unexpectedly; stopping the server.');
    for (const process of all) process.interrupt();
  });
  const url = await whenReady(server, plan.origin);
  const consoleFault = (await around.pages)?.fault ?? null;
  if (url !== null && !around.requests.any) {
    const { adminToken, simulate: simulated } = plan;
    console.log(banner({ url, adminToken, simulated, consoleFault }));
  }
  const { code } = await server.ended;
  isOver = true;
  if (!around.requests.any) {
    console.error(`The server ended with code ${code}; stopping everything.`);
    for (const worker of workers) worker.interrupt();
  }
  await Promise.all(workers.map(worker => worker.ended));
  // A worker that was killed has left it.
  if (plan.worker) rmSync(workerSocketPath(plan), { force: true });
  return code;
}

function startProcesses(
  plan: Plan,
  given: Around['given'],
): [ServerProcess, ...ReturnType<typeof startWorker>[]] {
  if (!plan.worker) return [startServer({ ...given, name: 'server' })];
  const socket = workerSocketPath(plan);
  const of = (name: string, roles: string) => ({
    ...given,
    name,
    settings: {
      ...given.settings,
      HOLDFAST_LAUNCHER_WORKER_SOCKET: socket,
      HOLDFAST_ROLES: roles,
    },
  });
  return [startServer(of('server', 'gateway,api')), startWorker(of('worker', 'worker'))];
}

/**
 * With `DATABASE_URL` two launchers may share a data folder, so each names a socket of its own. The
 * name is no longer than that of the database's socket, for which the folder is chosen.
 */
function workerSocketPath({ dataDir }: Plan): string {
  return join(makeSocketDir(realpathSync(dataDir)), `w${process.pid}.sock`);
}
