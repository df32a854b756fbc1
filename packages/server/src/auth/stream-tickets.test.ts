import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../platform/database/index.ts';
import { openTestDatabase } from '../platform/database/testing.ts';
import { tables } from './tables.ts';
import { openTestAuth, principal, type TestAuth } from './testing/index.ts';

let database: Database;
let server: TestAuth;
beforeAll(async () => {
  database = await openTestDatabase();
  server = await openTestAuth(database);
  const answer = async (request: { principal: unknown }) => request.principal;
  server.app.get('/stream', { config: { policy: 'streams.read' } }, answer);
  server.app.get('/other', { config: { policy: 'runs.read' } }, answer);
});
afterAll(async () => {
  await server?.close();
  await database?.close();
});

const ask = (url: string) =>
  server.app.inject({ method: 'GET', url, headers: { host: '127.0.0.1' } });
const viewer = principal('Viewer');

describe('a stream ticket', () => {
  it('opens nothing but streams', async () => {
    const { value } = await server.auth.streamTickets.mint(viewer, ['run_1']);
    const other = await ask(`/other?ticket=${value}`);
    expect(other.json()).not.toMatchObject({ id: viewer.id });
    const headers = { host: '127.0.0.1', authorization: `Bearer ${value}` };
    const bearer = await server.app.inject({ method: 'GET', url: '/stream', headers });
    expect(bearer.json()).not.toMatchObject({ id: viewer.id });
  });

  it('is its creator, for its subjects, as often as wanted', async () => {
    const { value, expiresAt } = await server.auth.streamTickets.mint(viewer, ['run_1', 'run_2']);
    expect(expiresAt.getTime()).toBeGreaterThan(Date.now() + 14 * 60_000);
    for (let use = 0; use < 2; use += 1) {
      expect((await ask(`/stream?ticket=${value}`)).json()).toEqual({
        ...viewer,
        ticketSubjects: ['run_1', 'run_2'],
      });
    }
  });

  it('is refused once it has expired, altered, or unknown', async () => {
    const { value } = await server.auth.streamTickets.mint(viewer, ['run_1']);
    await tables(database.db)
      .updateTable('stream_tickets')
      .set({ expires_at: new Date(Date.now() - 1000) })
      .execute();
    for (const ticket of [value, '', 'x', `st_${'A'.repeat(43)}`, value.replace('st_', 'ek_')]) {
      const answer = await ask(`/stream?ticket=${ticket}`);
      expect([ticket, answer.statusCode]).toEqual([ticket, 401]);
    }
    expect(await server.auth.streamTickets.sweep()).toBeGreaterThan(0);
  });

  it('does not outlive the API key that minted it', async () => {
    const { auth } = server;
    const made = await auth.apiKeys.create(principal('Admin'), { name: 'k', role: 'Viewer' }, 'r');
    const holder = (await auth.apiKeys.verify(made.key))!;
    const { value } = await auth.streamTickets.mint(holder, ['run_1']);
    expect((await ask(`/stream?ticket=${value}`)).statusCode).toBe(200);
    await auth.apiKeys.revoke(principal('Admin'), holder.id, 'r');
    expect((await ask(`/stream?ticket=${value}`)).statusCode).toBe(401);
  });
});
