import { describe, expect, it } from 'vitest';
import { isCiPath } from './ci-changes.ts';
import { agentDoes, createWorld, personGit, snapshotOf, type World } from './testing.ts';

async function changesOf(world: World, script: string) {
  const workspace = await world.prepare();
  await agentDoes(world, workspace, script);
  const { commit } = await snapshotOf(world, workspace);
  const { runId: id, baseCommit: base } = workspace;
  return world.workspaces.ciChanges(world.source, { id, base, commit });
}

describe('files of CI', () => {
  it.each([
    '.github/workflows/build.yml',
    '.GitHub/Workflows/build.yml',
    '.github/workflows',
    '.github/actions/setup/action.yml',
    '.github',
    '.gitlab-ci.yml',
    '.gitlab/ci/build.yml',
    '.gitlab/ci-build.yml',
    '.circleci/config.yml',
    'azure-pipelines.yml',
    'deploy/azure-pipelines-release.yaml',
    '.azure-pipelines/build.yml',
    'Jenkinsfile',
    'jenkinsfile',
    'ops/Jenkinsfile.release',
    'bitbucket-pipelines.yml',
    '.buildkite/pipeline.yml',
    '.drone.yml',
    '.travis.yml',
    '.woodpecker.yml',
    '.woodpecker/test.yml',
    '.forgejo/workflows/a.yml',
    '.gitea/workflows/a.yml',
    'appveyor.yml',
    '.cirrus.yml',
    '.build.yml',
  ])('%s is one', path => expect(isCiPath(path)).toBe(true));

  it.each([
    'README.md',
    'build.gradle',
    'src/github/workflows.ts',
    'docs/.github/workflows/a.yml',
    '.github/CODEOWNERS',
    '.gitlab/merge_request_templates/a.md',
    '.githubx/workflows/a.yml',
    'drone.ts',
    'src/circleci/config.yml',
  ])('%s is none', path => expect(isCiPath(path)).toBe(false));
});

describe('a branch', () => {
  it('shows files of CI that it adds, changes, removes or renames, taken back or not', async () => {
    const world = await createWorld();
    const old = ['.github/workflows/kept.yml', '.gitlab-ci.yml', 'Jenkinsfile', '.travis.yml'];
    for (const path of old) {
      const entry = `100644,${blob(world)},${path}`;
      personGit(world.origin, 'update-index', '--add', '--cacheinfo', entry);
    }
    personGit(world.origin, 'commit', '-q', '-m', 'ci');
    const script =
      'git rm -q .gitlab-ci.yml; git mv Jenkinsfile notes.txt; echo x >> .travis.yml; ' +
      'mkdir .circleci; echo x > .circleci/config.yml; git add .; git commit -q -m 1; ' +
      'git rm -rq .circleci; git commit -q -m 2; echo x > main.txt';
    const { files, total } = await changesOf(world, script);
    expect(files.toSorted()).toEqual([
      '.circleci/config.yml',
      '.gitlab-ci.yml',
      '.travis.yml',
      'Jenkinsfile',
    ]);
    expect(total).toBe(4);
  });

  it('shows those that a merge brings', async () => {
    const script =
      'git checkout -q -b side; mkdir .buildkite; echo x > .buildkite/a; git add .; ' +
      'git commit -q -m 1; git checkout -q -; git merge -q --no-ff --no-commit side; ' +
      'mkdir .drone; echo x > .drone.yml; git add .; git commit -q -m 2';
    const { files } = await changesOf(await createWorld(), script);
    expect(files.toSorted()).toEqual(['.buildkite/a', '.drone.yml']);
  });

  it('shows the first 20, and how many there are; other files not at all', async () => {
    const script =
      'mkdir -p .github/workflows; for i in $(seq 25); do echo x > .github/workflows/$i; done; ' +
      'mkdir .github/docs; echo x > .github/docs/a; echo x > other';
    const { files, total } = await changesOf(await createWorld(), script);
    expect([files.length, total]).toEqual([20, 25]);
  });

  it('without any is clean', async () => {
    expect(await changesOf(await createWorld(), 'echo x > src/other')).toEqual({
      files: [],
      total: 0,
    });
  });
});

function blob(world: World): string {
  return personGit(world.origin, 'hash-object', '-w', 'README.md');
}
