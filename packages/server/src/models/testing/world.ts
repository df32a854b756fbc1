import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { Database } from '../../platform/database/index.ts';
import { openTestDatabase } from '../../platform/database/testing.ts';
import type { GatewayLimits } from '../index.ts';
import { type GatewayHost, openGatewayHost } from './host.ts';
import { openScriptedUpstream, type ScriptedUpstream, usedTokens } from './upstream.ts';

/** One database, one provider and one gateway for the tests of a file. */
export interface GatewayWorld {
  readonly database: Database;
  /** Before each test it has seen nothing, and answers that 10 and 5 tokens were used. */
  readonly upstream: ScriptedUpstream;
  readonly host: GatewayHost;
}

export function useGateway(limits: Partial<GatewayLimits> = {}): GatewayWorld {
  const world = {} as { -readonly [K in keyof GatewayWorld]: GatewayWorld[K] };
  beforeAll(async () => {
    world.database = await openTestDatabase();
    world.upstream = await openScriptedUpstream();
    world.host = await openGatewayHost(world.database, {
      upstreamUrl: world.upstream.url,
      limits,
    });
  });
  beforeEach(() => {
    world.upstream.seen.length = 0;
    world.upstream.answer = response => {
      response.setHeader('content-type', 'application/json');
      response.end(usedTokens(10, 5));
    };
  });
  afterAll(async () => {
    await world.host.close();
    await world.upstream.close();
    await world.database.close();
  });
  return world;
}
