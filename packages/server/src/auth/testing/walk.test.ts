import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Database } from '../../platform/database/index.ts';
import { openTestDatabase } from '../../platform/database/testing.ts';
import { authorize, type Target } from '../authorize.ts';
import { findPolicy, POLICIES } from '../policies.ts';
import { openTestAuth } from './server.ts';
import { type WalkThing, walk, walkCallers, wrongSteps } from './walk.ts';

let database: Database;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** One route for each row; those with an owner are about a thing. */
function sampleRoutes(things: Map<string, Target>, judge: typeof authorize): FastifyPluginAsyncZod {
  return async app => {
    for (const policy of Object.keys(POLICIES)) {
      const owned = findPolicy(policy)?.owner !== undefined || policy === 'sessions.read';
      for (const method of owned ? (['DELETE'] as const) : (['GET', 'PUT'] as const)) {
        app.route({
          method,
          url: `/sample/${policy}${owned ? '/:id' : ''}`,
          config: { policy },
          schema: { params: z.looseObject({}) },
          handler: async request => {
            const { id } = request.params as { id?: string };
            if (id !== undefined) judge(policy, request.principal, things.get(id) ?? null);
            return {};
          },
        });
      }
    }
  };
}

async function walkSample(judge: typeof authorize, oidc: boolean) {
  const options = {
    issuer: 'http://localhost:1',
    clientId: 'c',
    audiences: ['a'],
    scopes: 'openid',
    rolesHoldS: 600,
  };
  const test = await openTestAuth(database, { oidc: oidc ? options : null });
  const things = new Map<string, Target>();
  await test.app.register(sampleRoutes(things, judge));
  test.http.upgrades.add({
    path: '/sample/socket/:id',
    config: { policy: 'realtime.connect' },
    async handle({ socket, params, principal }) {
      judge('realtime.control', principal, things.get(params.id ?? '') ?? null);
      socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
    },
  });
  const { port } = await test.http.listen({ host: '127.0.0.1', port: 0 });
  const callers = await walkCallers(test.auth);
  const secretId = callers.find(one => one.principal?.grant)?.principal?.grant?.secretId ?? null;
  const steps = await walk({
    http: test.http,
    port,
    callers,
    async thing(route, owner): Promise<WalkThing | undefined> {
      if (!route.url.startsWith('/sample/') || !route.url.includes(':id')) return undefined;
      if (route.method === 'WS') return undefined;
      const id = `thing-${things.size}`;
      const target = { projectId: owner.projectId, createdBy: owner.id, secretId };
      things.set(id, target);
      return { params: { id }, target };
    },
  });
  await test.close();
  return steps;
}

describe('the walk', { timeout: 60_000 }, () => {
  it.each([true, false])('finds nothing wrong here (OIDC: %s)', async oidc => {
    const steps = await walkSample(authorize, oidc);
    expect(wrongSteps(steps)).toEqual([]);
    expect(steps.length).toBeGreaterThan(500);
    expect(new Set(steps.map(step => step.expected))).toEqual(
      new Set(oidc ? [401, 403, 404, 'in', 'alike'] : [403, 404, 'in', 'alike']),
    );
    expect(new Set(steps.map(step => step.policy)).size).toBe(Object.keys(POLICIES).length);
  });

  it('finds routes that do not ask who owns a thing', async () => {
    const careless: typeof authorize = (policy, principal) => authorize(policy, principal);
    const wrong = wrongSteps(await walkSample(careless, true));
    expect(wrong.length).toBeGreaterThan(0);
    expect(new Set(wrong.map(step => step.status))).toEqual(new Set([200]));
    expect(new Set(wrong.map(step => step.policy))).toContain('recordings.read');
  });
});
