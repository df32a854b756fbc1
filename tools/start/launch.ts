import { readDotenv } from '../../packages/server/src/config/index.ts';
import { banner } from './banner.ts';
import { buildConsoleWhenStale } from './console-build.ts';
import { planStart, simulatedUpstream } from './plan.ts';
import { type RunningServer, startServer } from './server.ts';
import { type RunningSimulator, startSimulator } from './simulator.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Starts simulator, console build and server, prints the banner, and answers the exit code once
 * everything has ended. A signal goes to the server first; the simulator ends after it, so that
 * sessions finish properly.
 */
export async function launch(): Promise<number> {
  const plan = planStart(process.env, readDotenv('.env'));
  const signals = new SignalRelay();
  const pages = plan.buildConsole ? buildConsoleWhenStale() : undefined;
  pages?.catch(() => {});
  const simulator = plan.simulate ? await startSimulator() : undefined;
  try {
    if (signals.received) return 0;
    const server = startServer(plan.origin, {
      ...(simulator ? simulatedUpstream(simulator.url, plan.simulated) : {}),
      ...plan.added,
    });
    signals.to(server);
    watch(simulator, server);
    const url = await server.ready;
    const consoleFault = (await pages)?.fault ?? null;
    if (url !== null && !signals.received) {
      const { adminToken, simulate: simulated } = plan;
      console.log(banner({ url, adminToken, simulated, consoleFault }));
    }
    return (await server.ended).code;
  } finally {
    signals.close();
    await simulator?.stop();
  }
}

/** Without its model the server only fails; better it ends and says why. */
function watch(simulator: RunningSimulator | undefined, server: RunningServer): void {
  let serverEnded = false;
  const note = () => {
    serverEnded = true;
  };
  server.ended.then(note, note);
  void simulator?.ended.then(() => {
    if (serverEnded) return;
    console.error('The simulated model ended unexpectedly; stopping the server.');
    server.interrupt();
  });
}

/** Passes signals on to the server, from whenever there is one. */
class SignalRelay {
  received = false;
  #server: RunningServer | undefined;
  readonly #listener = () => {
    this.received = true;
    this.#server?.interrupt();
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  to(server: RunningServer): void {
    this.#server = server;
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }
}
