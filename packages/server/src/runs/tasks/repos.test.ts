import type { Repo } from '@holdfast/protocol';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { withRunsHost } from '../testing/databases.ts';
import type { RunsHost } from '../testing/host.ts';

withRunsHost(open => {
  let host: RunsHost;
  let repo: Repo;
  beforeAll(async () => {
    host = await open();
  });
  beforeEach(async () => {
    const source = { url: 'https://git.test/shop.git', default_branch: 'main' };
    repo = (await host.send('POST', '/v1/repos', source)).body as Repo;
  });

  const patch = (body: unknown, caller?: string, id = repo.id) =>
    host.send('PATCH', `/v1/repos/${id}`, body, caller === undefined ? {} : { caller });
  const now = async () => (await host.send('GET', `/v1/repos/${repo.id}`)).body;

  describe('changing a repository', () => {
    it('is not for Viewers, nor for other projects', async () => {
      expect((await patch({ name: 'x' }, 'Viewer:vic:default')).status).toBe(403);
      expect((await patch({ name: 'x' }, 'Admin:eve:elsewhere')).status).toBe(404);
      expect((await patch({ name: 'x' }, undefined, `${repo.id}0`)).status).toBe(404);
      expect((await patch({ name: 'x' }, undefined, 'rpo_nothing')).status).toBe(404);
      expect(await now()).toEqual(repo);
    });

    it.each([
      ['no name', { name: ' ' }],
      ['a name of two lines', { name: 'a\nb' }],
      ['a name that is too long', { name: 'n'.repeat(101) }],
      ['a branch that git takes for an option', { default_branch: '--upload-pack=x' }],
      ['a range for a branch', { default_branch: 'a..b' }],
      ['no branch', { default_branch: null }],
      ['a test command that is too long', { test_command: 'x'.repeat(1001) }],
      ['a number for a test command', { test_command: 7 }],
      ['another address', { url: 'https://git.test/other.git' }],
      ['another folder', { name: 'x', path: '/etc' }],
      ['what is no object', 'name'],
    ])('is refused with %s', async (_what, body) => {
      expect(await patch(body)).toMatchObject({
        status: 400,
        body: { code: 'invalid_request' },
      });
      expect(await now()).toEqual(repo);
    });

    it('is for every Developer of the project, field by field', async () => {
      const colleague = 'Developer:bob:default';
      const named = await patch({ name: '  Store ' }, colleague);
      expect(named).toMatchObject({ status: 200, body: { ...repo, name: 'Store' } });
      const rest = { default_branch: 'release/2', test_command: 'npm test' };
      expect((await patch(rest, colleague)).body).toEqual({ ...repo, name: 'Store', ...rest });
      expect((await patch({ test_command: null })).body.test_command).toBeNull();
      expect((await patch({})).body).toEqual(await now());
      expect(await now()).toEqual({ ...repo, name: 'Store', default_branch: 'release/2' });
    });
  });
});
