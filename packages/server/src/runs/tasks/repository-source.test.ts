import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldfastError } from '../../kernel/index.ts';
import {
  checkRepositoryPath,
  checkRepositoryUrl,
  defaultName,
  pinRemote,
  type SourceChecks,
} from './repository-source.ts';

const ADDRESSES: Record<string, string[]> = {
  'github.com': ['140.82.121.4'],
  'six.test': ['2606:50c0:8000::153'],
  'private.test': ['10.1.2.3'],
  'mixed.test': ['140.82.121.4', '127.0.0.1'],
  'mapped.test': ['::ffff:169.254.169.254'],
  'nothing.test': [],
};
const checks: SourceChecks = {
  allowedHosts: ['git.internal', '127.0.0.1:9000'],
  localMode: true,
  async resolve(host) {
    const found = ADDRESSES[host];
    if (found === undefined) throw new Error('ENOTFOUND');
    return found;
  },
};
const refusal = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof HoldfastError)) throw new Error('It was not refused.');
  return error;
};

describe('a repository URL', () => {
  it.each([
    ['https://github.com/team/app.git', 'https://github.com/team/app.git'],
    ['HTTPS://GitHub.com/team/app', 'https://github.com/team/app'],
    ['ssh://git@github.com/team/app.git', 'ssh://git@github.com/team/app.git'],
    ['ssh://git@github.com:2222/team/app', 'ssh://git@github.com:2222/team/app'],
    ['https://six.test/a', 'https://six.test/a'],
    ['https://git.internal/a', 'https://git.internal/a'],
    ['https://127.0.0.1:9000/a', 'https://127.0.0.1:9000/a'],
  ])('%s is taken', async (text, stored) => {
    expect(await checkRepositoryUrl(text, checks)).toBe(stored);
  });

  it.each([
    'file:///etc/passwd',
    'ext::sh -c whoami',
    'ext::whoami',
    'fd::17',
    'git://github.com/a',
    'http://github.com/a',
    'git@github.com:team/app.git',
    '--upload-pack=/bin/sh',
    '-oProxyCommand=x',
    'ssh://-oProxyCommand=x/a',
    'ssh://git@-oProxyCommand=x/a',
    'ssh://-x@github.com/a',
    'ssh://%2DoProxyCommand=x/a',
    'https://github.com/--upload-pack=x',
    'https://github.com',
    'https://github.com/a b',
    'https://github.com/a\n',
    'https://github.com\\@10.0.0.1/a',
    'https://github.com/a?token=x',
    'https://github.com/a#x',
    '/srv/git',
    '',
  ])('%j is refused', async text => {
    expect(await refusal(checkRepositoryUrl(text, checks))).toMatchObject({
      code: 'unprocessable',
      field: 'url',
    });
  });

  it.each(['https://me:s3cret@github.com/a', 'https://s3cret@github.com/a'])(
    'with credentials is refused and not repeated',
    async text => {
      const error = await refusal(checkRepositoryUrl(text, checks));
      expect(error.detail).toMatch(/credentials|password/);
      expect(error.detail).not.toContain('s3cret');
    },
  );

  it.each([
    'https://localhost/a',
    'https://127.0.0.1/a',
    'https://0x7f.1/a',
    'https://2130706433/a',
    'https://[::1]/a',
    'https://[::ffff:10.0.0.1]/a',
    'https://169.254.169.254/latest',
    'https://192.168.1.1/a',
    'https://100.64.0.1/a',
    'https://168.63.129.16/a',
    'https://198.19.255.255/a',
    'https://[::127.0.0.1]/a',
    'https://[64:ff9b:1::a00:1]/a',
    'https://[4000::1]/a',
    'https://0.0.0.0/a',
    'https://private.test/a',
    'https://mixed.test/a',
    'https://mapped.test/a',
    'ssh://git@private.test/a',
    'https://127.0.0.1:9001/a',
  ])('%s is a private address', async text => {
    const known = { ...checks, resolve: checks.resolve! };
    const resolve = async (host: string) =>
      host === 'localhost' ? ['127.0.0.1'] : known.resolve(host);
    const error = await refusal(checkRepositoryUrl(text, { ...known, resolve }));
    expect(error.detail).toContain('HOLDFAST_ALLOWED_HOSTS');
  });

  it.each(['https://unknown.test/a', 'https://nothing.test/a'])('%s has no address', async text => {
    const error = await refusal(checkRepositoryUrl(text, checks));
    expect(error.detail).toContain('cannot be found');
    const private_ = await checkRepositoryUrl('https://10.0.0.1/a.git', {
      allowedHosts: [],
      localMode: false,
    }).catch(fault => fault);
    expect(error.detail).toBe(private_.detail);
  });

  it('resolves the short forms that only the system accepts', async () => {
    const { resolve: _mine, ...system } = checks;
    const error = await refusal(checkRepositoryUrl('ssh://git@127.1/a', system));
    expect(error.code).toBe('unprocessable');
  });
});

describe('before git connects', () => {
  const pin = (url: string | null, resolve = checks.resolve!) =>
    pinRemote({ ...checks, resolve })({ id: 'rpo_1', url, path: null, defaultBranch: null });

  it('it may connect to the checked addresses only', async () => {
    expect(await pin('https://github.com/a')).toMatchObject({
      GIT_CONFIG_VALUE_0: 'github.com:443:140.82.121.4',
    });
    expect(await pin('https://six.test:8443/a')).toMatchObject({
      GIT_CONFIG_VALUE_0: 'six.test:8443:[2606:50c0:8000::153]',
    });
    const { GIT_SSH_COMMAND: ssh } = await pin('ssh://git@github.com:2222/a');
    expect(ssh).toContain("-oHostName='140.82.121.4' -oHostKeyAlias='[github.com]:2222'");
    for (const url of [null, 'https://git.internal/a', 'https://140.82.121.4/a']) {
      expect(await pin(url)).toEqual({});
    }
  });

  it('a name that now leads to a private address is refused', async () => {
    const rebound = async () => ['169.254.169.254'];
    for (const url of ['https://github.com/a', 'ssh://git@github.com/a']) {
      expect(await refusal(Promise.resolve(pin(url, rebound)))).toMatchObject({
        code: 'unprocessable',
      });
    }
  });
});

describe('a repository path', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await realpath(await mkdtemp(join(tmpdir(), 'holdfast-source-')));
    await mkdir(join(dir, 'work', '.git'), { recursive: true });
    await mkdir(join(dir, 'bare.git', 'objects'), { recursive: true });
    await writeFile(join(dir, 'bare.git', 'HEAD'), 'ref: refs/heads/main\n');
  });
  afterAll(() => rm(dir, { recursive: true }));

  it('is a folder with a repository, in local mode', async () => {
    for (const name of ['work', 'bare.git']) {
      expect(await checkRepositoryPath(join(dir, name), checks)).toBe(join(dir, name));
    }
    expect(await checkRepositoryPath(`${dir}/x/../work`, checks)).toBe(join(dir, 'work'));
    const remote = { ...checks, localMode: false };
    const error = await refusal(checkRepositoryPath(join(dir, 'work'), remote));
    expect(error).toMatchObject({ code: 'unprocessable', field: 'path' });
  });

  it('is stored with its links resolved', async () => {
    const link = join(dir, 'link');
    await symlink(join(dir, 'work'), link);
    for (const path of [link, `/proc/self/root${link}`]) {
      expect(await checkRepositoryPath(path, checks)).toBe(join(dir, 'work'));
    }
  });

  it('is refused otherwise', async () => {
    for (const path of [dir, join(dir, 'none'), 'work', '--x', '', `${dir}/work\0`]) {
      const error = await refusal(checkRepositoryPath(path, checks));
      expect(error).toMatchObject({ code: 'unprocessable', field: 'path' });
    }
  });
});

it('calls a repository by the last part of its address', () => {
  expect(defaultName('https://github.com/team/my%20app.git')).toBe('my app');
  expect(defaultName('/srv/work/')).toBe('work');
  expect(defaultName('https://github.com/a%0Ab.git')).toBe('a b');
  expect(defaultName('https://github.com/%E0%A4')).toBe('%E0%A4');
});
