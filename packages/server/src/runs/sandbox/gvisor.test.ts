import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type GvisorSettings, runscCommand } from './gvisor.ts';
import { createSandbox, type Sandbox, type SandboxMounts } from './index.ts';
import { isolatedSandbox, mountsFor, sh, temporaryFolder } from './testing.ts';

const MIB = 1024 ** 2;
const SECRET = 'sk-a-key-that-no-agent-may-see';

/** Processes of this machine with these folders on their command line. */
function processesOf(mark: string): string[] {
  return readdirSync('/proc').filter(pid => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark);
    } catch {
      return false;
    }
  });
}

const bundles = () => readdirSync(tmpdir()).filter(name => name.startsWith('holdfast-bundle-'));

describe('gVisor', () => {
  const shared = mkdtempSync(join(tmpdir(), 'holdfast-sandbox-'));
  let sandbox: Sandbox;
  let folder: string;
  let mounts: SandboxMounts;
  beforeAll(async () => {
    sandbox = await isolatedSandbox(shared, {
      runtime: 'gvisor',
      tmpMaxBytes: 4 * MIB,
      processesMax: 60,
      fileMaxBytes: 1_000_000,
      memoryMaxBytes: 1024 * MIB,
    });
  });
  afterAll(() => rmSync(shared, { recursive: true }));
  beforeEach(async () => {
    folder = await temporaryFolder();
    mounts = await mountsFor(sandbox, folder);
  });

  it('shows nothing of the server and the machine', async () => {
    process.env.HOLDFAST_TEST_SECRET = SECRET;
    onTestFinished(() => {
      delete process.env.HOLDFAST_TEST_SECRET;
    });
    const server = createTcpServer(socket => socket.end(SECRET)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    await writeFile(join(folder, 'master.key'), SECRET, { mode: 0o644 });
    chmodSync(folder, 0o755);
    const script = `
      env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr "\\0" "\\n"
      for root in '' /proc/1/root /proc/self/root/../..; do cat $root${folder}/master.key; done
      node -e 'require("node:net").connect(${port}, "127.0.0.1")
        .on("data", text => console.log(String(text)))
        .on("error", error => console.log(error.code))'
      echo PROCESSES: /proc/[0-9]*; cat /etc/passwd; grep -E "^Cap" /proc/self/status`;
    const { stdout } = await sh(sandbox, mounts, script, { TOKEN: 'its own' });
    expect(stdout).toContain('TOKEN=its own');
    expect(stdout).toContain('ECONNREFUSED');
    expect(stdout).not.toContain(SECRET);
    expect(stdout).not.toContain(shared);
    expect(/^PROCESSES: (.*)$/m.exec(stdout)![1]!.split(' ').length).toBeLessThan(8);
    expect(stdout).toMatch(/^agent:x:\d+:\d+:agent:\/home\/agent:\/bin\/sh$/m);
    expect(stdout.match(/^Cap\w+:.*$/gm)!.every(line => /:\s0+$/.test(line))).toBe(true);
  });

  it('lets workspace, home and memory be written, up to the limits, and nothing else', async () => {
    const script = `
      for path in / /usr /etc /opt/holdfast /run /home /sys
      do touch "$path/x" 2>/dev/null && echo "WROTE $path"; done
      for path in /workspace /home/agent /tmp /dev/shm; do touch "$path/y" || echo "NO $path"; done
      head -c 1000000 /dev/zero > fits && echo fits; head -c 1000001 /dev/zero > big || echo full
      for n in 1 2 3 4 5 6; do head -c 900000 /dev/zero > /tmp/big-$n || echo full; done
      ulimit -Hn; ulimit -Hc`;
    expect((await sh(sandbox, mounts, script)).stdout).toBe('fits\nfull\nfull\nfull\n65536\n0\n');
    expect(statSync(join(mounts.workspace, 'big')).size).toBe(1_000_000);
    const { uid } = statSync(join(mounts.home, 'y'));
    expect(uid).toBe(statSync(mounts.home).uid);
  });

  it('gives no more processes than a command may have', async () => {
    const script = `node -e '
      const { spawn } = require("node:child_process");
      const codes = [];
      const sleeps = Array.from({ length: 80 }, () => spawn("sleep", ["30"]));
      for (const sleep of sleeps) sleep.on("error", error => codes.push(error.code));
      setTimeout(() => {
        for (const sleep of sleeps) sleep.kill();
        console.log(codes.join());
      }, 1000);'`;
    const codes = (await sh(sandbox, mounts, script)).stdout.trim().split(',');
    expect(codes.length).toBeGreaterThan(20);
    expect(codes.length).toBeLessThan(80);
    expect(new Set(codes)).toEqual(new Set(['EAGAIN']));
  });

  it('passes on input, signals and ends', async () => {
    const script = `trap 'echo caught; exit 3' INT; read line; echo "$line"; sleep 60 & wait`;
    const child = sandbox.spawn({ command: ['sh', '-c', script], env: {}, mounts });
    const lines = child.stdout.setEncoding('utf8');
    child.stdin.write('a line\n');
    expect(String(await once(lines, 'data'))).toBe('a line\n');
    child.kill('SIGINT');
    expect((await lines.toArray()).join('')).toBe('caught\n');
    expect(await child.exited).toEqual({ code: 3, signal: null });
    const killed = await sh(sandbox, mounts, 'kill -TERM $$');
    expect(killed).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  it('leads loopback to the mounted sockets', async () => {
    const gatewaySocket = join(folder, 'gateway.sock');
    const server = createServer((request, response) => request.pipe(response)).listen(
      gatewaySocket,
    );
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const withGateway = { ...mounts, gatewaySocket };
    const script = `node -e '
      fetch("${sandbox.paths(withGateway).gatewayUrl}", { method: "POST", body: "x".repeat(3e5) })
        .then(async answer => console.log((await answer.text()).length));
      fetch("http://127.0.0.1:3128").catch(error => console.log("proxy", error.cause.code));'`;
    const { stdout } = await sh(sandbox, withGateway, script);
    expect(stdout.split('\n').toSorted()).toEqual(['', '300000', 'proxy ECONNREFUSED']);
  });

  it('is killed first where memory runs out, is measured, and is gone after SIGKILL', async () => {
    const before = bundles();
    const script = `node -e 'const b = Buffer.alloc(${150 * MIB}, 1); console.log(b.length)
      setInterval(() => b, 60_000)'`;
    const child = sandbox.spawn({ command: ['sh', '-c', script], env: {}, mounts });
    await once(child.stdout, 'data');
    const [bundle] = bundles().filter(name => !before.includes(name));
    const pids = processesOf(bundle!);
    expect(pids.length).toBeGreaterThan(2);
    for (const pid of pids) {
      expect(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8')).toBe('1000\n');
    }
    expect(child.memoryBytes!()).toBeGreaterThan(150 * MIB);
    expect(child.memoryBytes!()).toBeLessThan(350 * MIB);
    child.kill('SIGKILL');
    expect((await child.exited).code).not.toBe(0);
    await expect.poll(() => processesOf(bundle!)).toEqual([]);
    expect(bundles()).not.toContain(bundle);
    expect(child.memoryBytes!()).toBe(0);
  });

  it('ends with the server, even when that is killed', async () => {
    const module = new URL('./index.ts', import.meta.url).href;
    const dir = join(folder, 'sandbox');
    const command = { command: ['sh', '-c', 'echo ready; sleep 600'], env: {}, mounts };
    const script = `
      import { createSandbox } from '${module}';
      const sandbox = await createSandbox({ runtime: 'gvisor', dir: ${JSON.stringify(dir)} });
      sandbox.spawn(${JSON.stringify(command)}).stdout.pipe(process.stdout);`;
    const server = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: folder },
    });
    onTestFinished(() => void server.kill('SIGKILL'));
    await once(server.stdout, 'data');
    expect(processesOf(folder).length).toBeGreaterThan(2);
    server.kill('SIGKILL');
    while (processesOf(folder).length > 0) await delay(10);
  });
});

it('runs gVisor only when nothing else wants to, where that is asked for', () => {
  const settings = { runsc: '/usr/bin/runsc', background: true } as GvisorSettings;
  const command = runscCommand(settings, '/bundle', 'id').join(' ');
  expect(command).toMatch(/ \/usr\/bin\/chrt --idle 0 \/bin\/sh .* \/usr\/bin\/runsc .* run /);
  expect(runscCommand({ ...settings, background: false }, '/bundle', 'id')).not.toContain('--idle');
});

describe('gVisor that is demanded', () => {
  it.each(['/no/such/runsc', '/bin/false'])('and does not work starts nothing: %s', async runsc => {
    const dir = join(await temporaryFolder(), 'sandbox');
    const none = await createSandbox({ dir, runtime: 'gvisor', runsc });
    expect(none.isolated).toBe(false);
    expect(none.note).toMatch(/^No run is started: gVisor does not work here: /);
    const mounts = await mountsFor(none, await temporaryFolder());
    expect(() => none.spawn({ command: ['true'], env: {}, mounts })).toThrow(none.note!);
  });

  it('and is not installed is named in the note', async () => {
    const dir = join(await temporaryFolder(), 'sandbox');
    const path = process.env.PATH;
    process.env.PATH = '/no/such/folder';
    const { note } = await createSandbox({ dir, runtime: 'gvisor' }).finally(() => {
      process.env.PATH = path;
    });
    expect(note).toBe(
      'No run is started: gVisor does not work here: gVisor (runsc) is not installed',
    );
  });
});
