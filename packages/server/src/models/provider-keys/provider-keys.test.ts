import { sql } from 'kysely';
import { beforeEach, expect, it } from 'vitest';
import { CATALOGUE_KEY } from '../testing/host.ts';
import { useGateway } from '../testing/world.ts';

const KEY = 'sk-ant-of-the-project-9876';
let projects = 0;
let project: string;

const world = useGateway();
beforeEach(() => {
  project = `p${projects++}`;
});

const call = (method: string, path = '', body?: object, role = 'Admin') =>
  world.host.request(`/v1/provider-keys${path}`, {
    method,
    caller: `${role}:user:root:${project}`,
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
const add = async (key = KEY) => {
  const answer = await call('POST', '', { provider: 'anthropic', name: 'ours', key });
  expect(answer.status).toBe(201);
  return (await answer.json()) as { id: string; hint: string };
};
/** The key with which a call of this project reached the provider. */
const sentKey = async (of = project) => {
  const { token } = await world.host.newRun('user:ann', of);
  const answer = await world.host.request('/model/anthropic/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': token },
    body: JSON.stringify({ model: 'claude', max_tokens: 5 }),
  });
  expect(answer.status).toBe(200);
  return world.upstream.seen.at(-1)!.headers['x-api-key'];
};

it('is for Admins', async () => {
  const { id } = await add();
  for (const role of ['Viewer', 'Developer']) {
    expect((await call('GET', '', undefined, role)).status).toBe(403);
    expect((await call('DELETE', `/${id}`, undefined, role)).status).toBe(403);
    const body = { provider: 'openai', name: 'x', key: KEY };
    expect((await call('POST', '', body, role)).status).toBe(403);
  }
});

it.each(['short', `${KEY}\r\nx-evil: 1`, `${KEY} with spaces`, 'x'.repeat(501)])(
  'refuses %j as a key',
  async key => {
    const body = { provider: 'anthropic', name: 'ours', key };
    const answer = await call('POST', '', body);
    expect(answer.status).toBe(400);
    expect(await answer.text()).not.toContain('of-the-project');
  },
);

it('is used for its own project only, until it is revoked', async () => {
  const { id } = await add();
  expect(await sentKey()).toBe(KEY);
  expect(await sentKey('another')).toBe(CATALOGUE_KEY);
  project = 'another';
  expect((await call('DELETE', `/${id}`)).status).toBe(404);
  project = `p${projects - 1}`;
  expect((await call('DELETE', `/${id}`)).status).toBe(204);
  expect((await call('DELETE', `/${id}`)).status).toBe(204);
  expect(await sentKey()).toBe(CATALOGUE_KEY);
});

it('takes the place of the one before', async () => {
  await add();
  await add('sk-ant-of-the-project-0000');
  expect(await sentKey()).toBe('sk-ant-of-the-project-0000');
  const { data } = (await (await call('GET')).json()) as { data: { hint: string }[] };
  expect(data.map(one => one.hint)).toEqual(['0000']);
});

it('is never shown, logged, audited or stored as it is', async () => {
  const added = await add();
  expect(added).toMatchObject({ hint: '9876' });
  await sentKey();
  const { rows } = await sql<{ text: string }>`
    select provider_keys::text as text from provider_keys where id = ${added.id}
  `.execute(world.database.db);
  const list = await (await call('GET')).text();
  const audited = JSON.stringify(world.host.audited);
  expect(audited).toContain(added.id);
  for (const text of [
    JSON.stringify(added),
    list,
    rows[0]!.text,
    audited,
    world.host.telemetry.text(),
  ]) {
    expect(text).not.toContain(KEY);
  }
  const hex = Buffer.from(KEY).toString('hex');
  expect(rows[0]!.text).not.toContain(hex);
});
