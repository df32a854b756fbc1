import type { Session } from '@holdfast/protocol';
import { afterAll, beforeAll } from 'vitest';
import { type SimulatorService, startSimulator } from '../../../../../tools/services/simulator.ts';
import type { Database } from '../../platform/database/index.ts';
import { openTestDatabase } from '../../platform/database/testing.ts';
import { eventually } from './client.ts';
import { type HostOptions, openRealtimeHost, type RealtimeHost } from './host.ts';

/** One database, one simulator process and one host for a test file. */
export interface TestBench {
  readonly database: Database;
  readonly simulator: SimulatorService;
  readonly host: RealtimeHost;
  session(id: string, host?: RealtimeHost): Promise<Session>;
  /** The session, once it is in that state. */
  settled(id: string, state: Session['state']): Promise<Session>;
  /** The types in a session's log. */
  logged(id: string): Promise<string[]>;
}

export function useBench(
  options: Partial<HostOptions> = {},
  environment: Record<string, string> = {},
): TestBench {
  const parts = {} as { database: Database; simulator: SimulatorService; host: RealtimeHost };
  beforeAll(async () => {
    [parts.database, parts.simulator] = await Promise.all([
      openTestDatabase(),
      startSimulator(environment),
    ]);
    const upstreamUrl = parts.simulator.url;
    parts.host = await openRealtimeHost(parts.database, { upstreamUrl, ...options });
  });
  afterAll(async () => {
    await parts.host.close();
    await parts.simulator.stop();
    await parts.database.close();
  });
  const session = async (id: string, host = parts.host) =>
    (await (await host.request(`/v1/sessions/${id}`)).json()) as Session;
  return Object.assign(parts, {
    session,
    settled: (id: string, state: Session['state']) =>
      eventually(async () => {
        const found = await session(id);
        return found.state === state && found;
      }),
    async logged(id: string) {
      const response = await parts.host.request(`/v1/sessions/${id}/events?limit=1000`);
      const { data } = (await response.json()) as { data: { type: string }[] };
      return data.map(event => event.type);
    },
  });
}

/** The id in the `holdfast.session` event. */
export async function sessionIdOf(client: {
  event(type: string): Promise<Record<string, unknown>>;
}): Promise<string> {
  const { session } = await client.event('holdfast.session');
  return (session as { id: string }).id;
}
