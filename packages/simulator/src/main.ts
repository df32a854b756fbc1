/**
 * A stand-in for the providers' models: a process of its own that speaks the GA Realtime protocol
 * over WebSocket and WebRTC, and four text protocols over HTTP, so that clients and gateways see no
 * difference. It understands nothing and marks its texts as simulated. It offers repeatability,
 * faults on demand, and exact accounts of what it received. Production code never imports from it.
 *
 * This file is the process: settings from the environment, one JSON line on standard output when it
 * listens, and an orderly end when standard input closes (the parent is gone) or on SIGTERM and
 * SIGINT.
 */
import { startSimulator } from './server.ts';
import { SettingsError, settingsFromEnvironment } from './settings.ts';

/** After the parent has read the line, and before a first call would wait for the load. */
const WARM_UP_MS = 500;

async function main(): Promise<void> {
  const simulator = await startSimulator(settingsFromEnvironment(process.env));
  let ending = false;
  const end = () => {
    if (ending) return;
    ending = true;
    void simulator.close().finally(() => process.exit(0));
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
  process.stdin.on('end', end).on('close', end).on('error', end).resume();
  process.stdout.write(`${JSON.stringify({ event: 'listening', url: simulator.url })}\n`);
  setTimeout(() => void import('./webrtc/call.ts'), WARM_UP_MS).unref();
}

main().catch((error: unknown) => {
  const text = error instanceof SettingsError ? error.message : String(error);
  process.stderr.write(`${JSON.stringify({ event: 'failed', error: text })}\n`);
  process.exit(1);
});
