import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { newId } from '../../kernel/index.ts';
import { asOrdinaryUser, temporaryFolder } from '../sandbox/testing.ts';
import { FILES, makeRepository } from './testing.ts';

/**
 * The other tests run as the present user. Where that is root, a server of an ordinary user
 * isolates in another way, by a user namespace: this test covers it, in a process of its own.
 */
const SCRIPT = `
import { existsSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { createSandbox } from 'SANDBOX';
import { createWorkspaces } from 'WORKSPACE';
import { openFilesystemBlobs } from 'BLOBS';
import { oneKeySealer } from 'SEALER';
const { folder, origin, runId, repositoryId } = JSON.parse(process.argv[1]);
const sandbox = await createSandbox({ dir: folder + '/sandbox' });
const blobs = await openFilesystemBlobs({
  dir: folder + '/blobs', baseUrl: () => '', signingKey: Buffer.alloc(32) });
const repository = { id: repositoryId, url: null, path: origin, defaultBranch: null };
const request = { runId, repository, baseRef: null, baseCommit: null };
const sealer = oneKeySealer();
const worker = name => createWorkspaces({ dir: folder + name, blobs, sealer, sandbox });
const workspace = await (await worker('/one')).prepare(request);
const mountsOf = of => ({ workspace: of.dir, home: of.homeDir, readOnly: of.readOnlyPaths,
  gatewaySocket: null, proxySocket: null });
const sh = async (of, script) => {
  const child = sandbox.spawn({ command: ['sh', '-c', script], env: {}, mounts: mountsOf(of) });
  const output = text(child.stdout);
  child.stderr.resume();
  await child.exited;
  return output;
};
const seen = await sh(workspace, \`
  cat /proc/*/environ | tr "\\\\0" "\\\\n"; env; ls /root \${folder} /etc
  grep ^Cap /proc/self/status
  for path in / /dev /usr /etc /home; do touch $path/x && echo WROTE; done
  echo one > one.txt; echo home > ~/note; mkdir closed; chmod 0 closed\`);
const snapshot = await workspace.snapshot(sandbox, mountsOf(workspace));
const manifest = await workspace.saveCheckpoint(1, snapshot, await workspace.keepHome());
const restored = await (await worker('/two')).restore(request, manifest);
const found = await sh(restored, 'cat one.txt ~/note; git status --porcelain');
const deep = 'for (1 .. 3000) { mkdir "x" x 200; chdir "x" x 200 } ' +
  'mkdir "closed"; chmod 0, "closed"';
await sh(restored, \`perl -e '\${deep}'\`);
await Promise.all([workspace.remove(), restored.remove()]);
const left = [workspace, restored].filter(({ dir }) => existsSync(dir)).length;
const { isolated } = sandbox;
const owner = sandbox.ownerOf('run') ?? null;
console.log(JSON.stringify({ uid: process.getuid(), isolated, owner, seen, found, left }));`;

it('an ordinary user isolates, snapshots and restores like root', async () => {
  const folder = await temporaryFolder();
  const origin = join(folder, 'origin');
  makeRepository(origin, FILES);
  // Git reads a repository of another user only where a setting allows it.
  const user = asOrdinaryUser(folder);
  const { uid, gid } = statSync(folder);
  await promisify(execFile)('chown', ['-R', `${uid}:${gid}`, origin]);
  const path = (relative: string) => user.path(fileURLToPath(new URL(relative, import.meta.url)));
  const script = SCRIPT.replace('SANDBOX', path('../sandbox/index.ts'))
    .replace('WORKSPACE', path('./index.ts'))
    .replace('BLOBS', path('../../platform/blobs/index.ts'))
    .replace('SEALER', path('../../platform/secrets/testing.ts'));
  const facts = { folder, origin, runId: newId('run'), repositoryId: newId('rpo') };
  const [program = '', ...args] = user.node([
    ...['--input-type=module', '-e', script, JSON.stringify(facts)],
  ]);
  const env = { PATH: process.env.PATH, HOME: '/nonexistent', SERVER_SECRET: 'sk-hidden' };
  const { stdout } = await promisify(execFile)(program, args, { env, cwd: '/' });
  const answer = JSON.parse(stdout);
  expect(answer).toMatchObject({ isolated: true, owner: null });
  expect(answer.uid).not.toBe(0);
  expect(answer.seen).not.toMatch(/sk-hidden|WROTE|shadow|origin/);
  expect(answer.seen.match(/^Cap\w+:\s+0{16}$/gm)).toHaveLength(5);
  expect(answer.left).toBe(0);
  expect(answer.found).toBe('one\nhome\n?? one.txt\n');
});
