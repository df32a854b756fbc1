/** Vitest's global setup: the broker of the shared services, once for all projects of a run. */
import type { TestProject } from 'vitest/node';
import { type Broker, startBroker } from './shared.ts';

let broker: Promise<Broker> | undefined;
let users = 0;

export async function setup(project: TestProject): Promise<void> {
  users += 1;
  broker ??= startBroker();
  project.provide('services', (await broker).url);
}

export async function teardown(): Promise<void> {
  users -= 1;
  if (users > 0 || !broker) return;
  const running = broker;
  broker = undefined;
  await (await running).stop();
}
