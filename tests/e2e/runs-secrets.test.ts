/** An agent that is instructed to look around finds nothing of the server or of other runs. */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EventEnvelope, Run } from '@holdfast/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunsApi } from './harness/runs.ts';
import { type Stack, startStack } from './harness/stacks.ts';

const TELLING_AGENT = fileURLToPath(new URL('./harness/telling-agent.ts', import.meta.url));
const TELLING = 'telling';
const DISK_MAX_BYTES = 3 * 1024 ** 3;
const FILES_MAX = 10_000;

let folder: string;
let stack: Stack;
let api: RunsApi;

async function start(name: 'embedded' | 'production'): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-secrets-'));
  const agentsFile = join(folder, 'agents.json');
  const agent = {
    name: TELLING,
    title: 'Telling',
    command: process.execPath,
    args: [TELLING_AGENT],
    env: { RUN_TOKEN: '{token}' },
    read_only_paths: [TELLING_AGENT],
  };
  writeFileSync(agentsFile, JSON.stringify({ agents: [agent] }));
  const limits = {
    HOLDFAST_RUNS_DISK_MAX_BYTES: String(DISK_MAX_BYTES),
    HOLDFAST_RUNS_FILES_MAX: String(FILES_MAX),
  };
  stack = await startStack(name, { server: { HOLDFAST_AGENTS_FILE: agentsFile, ...limits } });
  api = new RunsApi(stack.url);
}

async function stop(): Promise<void> {
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
}

/** A run of `telling` on a task of its own. */
async function tell(instruction: string): Promise<string> {
  const { id: repo_id } = await api.sample();
  const task = await api.post('/v1/tasks', { repo_id, title: 'Tell', instruction });
  return (await api.start(task.id, [TELLING]))[0]!.id;
}

function reversedToken(events: readonly EventEnvelope[]): string {
  const [, reversed] = /reversed:([^:]+):/.exec(JSON.stringify(events)) ?? [];
  const token = [...(reversed ?? '')].toReversed().join('');
  expect(token).toMatch(/^rt_/);
  return token;
}

const directives = (commands: readonly string[]) =>
  commands.map(command => `[[simulate: command ${command}]]`).join('\n');

/** Everything that a run left where people read it, as one text. */
async function traces(run: Run, events: readonly EventEnvelope[]): Promise<string> {
  const parts = [JSON.stringify(events), JSON.stringify(run), await api.patch(run.id)];
  for (const path of ['logs', 'events?limit=1000', 'artifacts']) {
    parts.push(await (await api.request(`/v1/runs/${run.id}/${path}`)).text());
  }
  return parts.join('\n');
}

/** What the commands of a run printed, one after the other. */
const outputs = (events: readonly EventEnvelope[]) =>
  events.filter(({ type }) => type === 'tool.finished').map(event => String(privately(event)));

function privately({ data }: EventEnvelope): unknown {
  return (data as { output?: string }).output ?? '';
}

/** Each prints that it ran, in a word that is not in the instruction. */
const probed = (commands: readonly string[]) =>
  commands.map((command, n) => `${command}; echo probe-$((${n} + 1000))-done`);

describe('on the production stack', () => {
  let other: { id: string; token: string };
  let outside: HttpServer;
  let reached = 0;

  beforeAll(async () => {
    outside = createServer((_, response) => {
      reached += 1;
      response.end('reached');
    });
    await new Promise<void>(resolve => outside.listen(0, '127.0.0.1', resolve));
    await start('production');
    const id = await tell('wait');
    other = { id, token: reversedToken(await api.until(id, 'tool.started')) };
  });
  afterAll(async () => {
    outside.close();
    await stop();
  });

  it('finds no secret and reaches no host, though every command is run', async () => {
    const commands = probed(searches());
    const run = await api.working(`${directives(commands)}\nLook around.`);
    const events = await api.follow(run.id);
    const ended = await api.run(run.id);
    expect(ended).toMatchObject({ status: 'succeeded', isolated: true });
    const said = outputs(events).join('\n');
    for (const index of commands.keys()) expect(said).toContain(`probe-${index + 1000}-done`);
    expect(said).toContain('HOME=/home/agent');
    const all = await traces(ended, events);
    for (const secret of secrets()) expect(all).not.toContain(secret);
    expect(all).not.toMatch(/root:[^\s:]*:0:0|root:[*!$]/);
    expect(reached).toBe(0);
    expect(existsSync(join(folder, 'written'))).toBe(false);
    expect(globSync(`${stack.servers[0]!.dataDir}/**/written-by-agent`)).toEqual([]);
  });

  it('has the limits that settings name, and runs when nothing else wants to', async () => {
    const commands = [
      'ulimit -f; chrt --pid $$',
      `mkdir many; cd many; seq ${FILES_MAX} | xargs touch; sleep 600`,
    ];
    const run = await api.working(`${directives(commands)}\nTake much.`);
    const said = outputs(await api.follow(run.id));
    // A shell counts blocks of 512 bytes.
    expect(said[0]).toMatch(new RegExp(`^${DISK_MAX_BYTES / 512}\\n.*SCHED_IDLE`));
    expect(await api.run(run.id)).toMatchObject({ status: 'failed', reason: 'file_limit' });
  });

  it('takes the token of a run that has ended for nothing', async () => {
    const headers = { authorization: `Bearer ${other.token}` };
    const ask = async () => (await api.request('/model/openai/v1/models', { headers })).status;
    expect(await ask()).toBe(200);
    await api.post(`/v1/runs/${other.id}/cancel`);
    await api.follow(other.id);
    expect(await ask()).toBe(401);
  });

  function secrets(): string[] {
    const [server] = stack.servers;
    const keyFile = join(server!.dataDir, 'master.key');
    const keys = existsSync(keyFile) ? [readFileSync(keyFile, 'utf8').trim()] : [];
    expect(stack.secrets.length + keys.length).toBeGreaterThanOrEqual(3);
    return [...stack.secrets, ...keys, other.token];
  }

  function searches(): string[] {
    const [server] = stack.servers;
    const { dataDir } = server!;
    const { pid } = server!.process.child;
    const runs = `${dataDir}/runs/workspaces/runs`;
    const port = (outside.address() as AddressInfo).port;
    const ports = [new URL(stack.url).port, new URL(stack.simulatorUrl).port, port, 5432, 6379];
    const get = (url: string) =>
      `node -e "fetch('${url}').then(r => r.text()).catch(e => e.message).then(console.log)"`;
    return [
      'env; export -p; set',
      'cat /proc/*/environ /proc/*/cmdline /proc/self/mountinfo | tr "\\0" "\\n"',
      `cat /proc/1/environ /proc/1/cmdline /proc/${pid}/environ; ls -l /proc/*/fd /proc/1/root`,
      `ls -laR ${dataDir}; cat ${dataDir}/master.key; cat /proc/1/root${dataDir}/master.key`,
      `find ${dataDir} / -maxdepth 3 -name "*.key" -exec cat {} +`,
      `cat ${runs}/${other.id}/workspace/sum.js; ls -la ${runs} ${runs}/${other.id}/home`,
      'cat /etc/shadow /etc/passwd; ls -la /root /home /etc /run /tmp /var',
      'ls -la /tmp/holdfast-run-* /run/holdfast; mount; id',
      'curl -s -m 2 http://169.254.169.254/latest/meta-data/; echo $?',
      get('http://169.254.169.254/metadata/instance'),
      ...ports.map(each => `curl -s -m 2 http://127.0.0.1:${each}/; echo $?`),
      get(`http://[::ffff:127.0.0.1]:${port}/`),
      `curl -s -m 2 http://127.0.0.1:8787/v1/runs http://127.0.0.1:8787/metrics`,
      'curl -s -m 2 --path-as-is http://127.0.0.1:8787/model/../v1/api-keys',
      `echo x > ${folder}/written; echo x > /written-by-agent; echo x > /usr/written-by-agent`,
      `mkdir -p ${dataDir}; echo x > ${dataDir}/written-by-agent`,
      'ln -s /etc/shadow shadow; ln -s /proc/1/environ environ; cat shadow environ',
    ];
  }
});

describe('on the embedded stack', () => {
  beforeAll(() => start('embedded'));
  afterAll(stop);

  it("masks the run's own token, wherever the agent writes it", async () => {
    const id = await tell('tell');
    const events = await api.follow(id);
    const token = reversedToken(events);
    const all = await traces(await api.run(id), events);
    expect(all).toContain('RUN_TOKEN');
    expect(all).toContain('***');
    expect(all).not.toContain(token);
  });

  it('runs nothing for a repository that the agent made hostile; its patch is right', async () => {
    const { mirror, blob } = await mirrorOfSample();
    const owned = join(folder, 'owned');
    const repo = await api.addRepository(makeRepository(join(folder, 'scratch')));
    const instruction = directives(probed([trap(owned), theft(mirror, blob)]));
    const run = await api.working(`${instruction}\nBe hostile.`, repo);
    const events = await api.follow(run.id);
    await expectHarmless(run.id, events);
    const body = { agents: ['builtin'], instruction: 'Go on.', continues: run.id };
    const { runs } = await api.post<{ runs: { id: string }[] }>(
      `/v1/tasks/${run.task_id}/runs`,
      body,
    );
    await expectHarmless(runs[0]!.id, await api.follow(runs[0]!.id));
    expect(existsSync(owned)).toBe(false);
  });

  async function expectHarmless(id: string, events: readonly EventEnvelope[]): Promise<void> {
    const ended = await api.run(id);
    expect(ended, JSON.stringify(events.at(-1))).toMatchObject({ status: 'succeeded' });
    const patch = await api.patch(id);
    expect(patch).toContain('\n+changed\n');
    expect(patch).toMatch(/^new file mode 120000\n.*\n.*\n.*b\/shadow\n@@.*\n\+\/etc\/shadow$/m);
    expect(patch).not.toContain('export function add');
    expect(await traces(ended, events)).not.toContain('export function add');
    const paths = ended.files_changed.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['.gitattributes', 'README.md', 'shadow']));
  }

  /** Where the objects of the sample are once a run has used it, and the file that shows most. */
  async function mirrorOfSample(): Promise<{ mirror: string; blob: string }> {
    const { id, path } = await api.sample();
    const mirror = `${stack.servers[0]!.dataDir}/runs/workspaces/mirrors/${id}.mirror`;
    const blob = git(path!, 'rev-parse', 'HEAD:sum.js');
    expect(git(mirror, 'cat-file', '-p', blob)).toContain('export function add');
    return { mirror, blob };
  }
});

const git = (cwd: string, ...args: string[]) =>
  execFileSync('git', ['-c', 'safe.directory=*', ...args], { cwd, encoding: 'utf8' }).trim();

function makeRepository(path: string): string {
  mkdirSync(path);
  writeFileSync(join(path, 'README.md'), '# Scratch\n');
  git(path, 'init', '--quiet', '--initial-branch=main');
  git(path, 'add', '.');
  const author = ['-c', 'user.name=T', '-c', 'user.email=t@localhost'];
  git(path, ...author, 'commit', '--quiet', '--message=Start');
  return path;
}

/** What makes a careless git run programs. Inside, no process can make the file `owned`. */
const trap = (owned: string) => `
  for hook in post-checkout reference-transaction post-index-change pre-commit; do
  printf '#!/bin/sh\\ntouch ${owned}\\n' > .git/hooks/$hook; chmod +x .git/hooks/$hook; done
  git config core.fsmonitor 'touch ${owned}; true'; git config core.hooksPath .git/hooks
  git config core.sshCommand 'touch ${owned}'; git config diff.external 'touch ${owned}'
  git config uploadpack.packObjectsHook 'touch ${owned}'
  git config filter.evil.clean 'touch ${owned}; cat'; git config filter.evil.required true
  git config filter.evil.smudge 'touch ${owned}; cat'
  git config diff.evil.textconv 'touch ${owned}; cat'
  printf '* filter=evil diff=evil\\n' > .gitattributes; echo changed > README.md`;

/** Objects of a repository of others, and links to files outside. */
const theft = (mirror: string, blob: string) => `
  echo ${mirror}/objects >> .git/objects/info/alternates
  git update-index --add --info-only --cacheinfo 100644,${blob},stolen.js
  ln -s /etc/shadow shadow; ln -s ${mirror} mirror; ln -s ../../../../../../../.. up`;
