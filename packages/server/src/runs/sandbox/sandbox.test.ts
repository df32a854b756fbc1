import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { findBubblewrap } from '../../../../../tools/services/binaries.ts';
import { createSandbox, type Sandbox, type SandboxMounts } from './index.ts';
import { isolatedSandbox, mountsFor, sh, temporaryFolder } from './testing.ts';

const SECRET = 'sk-a-key-that-no-agent-may-see';
let folder: string;
let sandbox: Sandbox;
let mounts: SandboxMounts;

beforeEach(async () => {
  folder = await temporaryFolder();
  sandbox = await isolatedSandbox(folder, { tmpMaxBytes: 4 * 1024 ** 2 });
  mounts = await mountsFor(sandbox, folder);
});

/** Processes of this machine whose command line contains `mark`. */
function processesWith(mark: string): string[] {
  return readdirSync('/proc').filter(name => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
    try {
      if (/^State:\s*Z/m.test(readFileSync(`/proc/${name}/status`, 'utf8'))) return false;
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(mark);
    } catch {
      return false;
    }
  });
}

async function untilNone(mark: string): Promise<void> {
  while (processesWith(mark).length > 0) await new Promise(resolve => setTimeout(resolve, 10));
}

describe('secrets', () => {
  it('of the environment reach no environment inside', async () => {
    process.env.HOLDFAST_TEST_SECRET = SECRET;
    onTestFinished(() => {
      delete process.env.HOLDFAST_TEST_SECRET;
    });
    const script = 'env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr "\\0" "\\n"';
    const { stdout } = await sh(sandbox, mounts, script, { TOKEN: 'its own' });
    expect(stdout).toContain('TOKEN=its own');
    expect(stdout).not.toContain(SECRET);
    expect(stdout).not.toContain(process.env.HOLDFAST_TEST_SECRET);
    const inherited = stdout.match(/^[A-Z_]+(?==)/gm) ?? [];
    for (const name of ['VITEST', 'npm_config_registry', 'PWD_HOST']) {
      expect(inherited).not.toContain(name);
    }
  });

  it('of files are out of sight', async () => {
    const file = join(folder, 'master.key');
    await writeFile(file, SECRET);
    chmodSync(folder, 0o755);
    await chmod(file, 0o644);
    const script = `
      for path in '${file}' /etc/shadow /root /proc/1/root${file} /proc/1/cwd${file} /etc/hostname
      do cat "$path" && echo "READ $path"; ls "$path" && echo "LISTED $path"; done
      find / -name master.key -printf 'READ %p\\n' 2>&1
      ls -A / /etc /home /run`;
    const { stdout } = await sh(sandbox, mounts, script);
    expect(stdout).toContain('workspace');
    expect(stdout).not.toMatch(/READ|LISTED/);
    expect(stdout).not.toContain(SECRET);
    expect(stdout).not.toMatch(/shadow|root|work$|var|srv/m);
  });

  it('of other processes are out of sight', async () => {
    const { stdout } = await sh(sandbox, mounts, 'ls -d /proc/[0-9]* | wc -l; cat /proc/1/comm');
    expect(Number(stdout.split('\n')[0])).toBeLessThan(8);
  });

  it('in the names of folders are on no command line inside', async () => {
    const { stdout } = await sh(sandbox, mounts, 'cat /proc/*/cmdline | tr "\\0" "\\n"');
    expect(stdout).toContain('/opt/holdfast/bridge.mjs');
    expect(stdout).not.toContain(folder);
    expect(stdout).not.toContain(process.execPath);
  });

  it('of the machine are not in /proc', async () => {
    const script = `
      cd /proc
      for name in [a-z]*; do
        if [ -f $name ] && [ "$(head -c 1 $name | wc -c)" = 1 ]; then echo $name; fi
        if [ -d $name ] && [ ! -L $name ] && [ -n "$(ls $name)" ]; then echo $name/; fi
      done
      echo; cat sys/kernel/random/boot_id sys/kernel/core_pattern sys/fs/inode-nr; ls sys/dev
      echo more > sys/kernel/random/boot_id || echo kept`;
    const { stdout } = await sh(sandbox, mounts, script);
    const [shown, hidden] = stdout.split('\n\n');
    const useful = ['cpuinfo', 'filesystems', 'loadavg', 'meminfo', 'mounts', 'stat', 'sys/'];
    expect(shown!.split('\n')).toEqual([...useful, 'uptime', 'version']);
    expect(hidden).toBe('kept\n');
    expect(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')).not.toBe('');
  });

  it('behind descriptors that the server inherited are out of reach', async () => {
    await writeFile(join(folder, 'master.key'), SECRET);
    chmodSync(folder, 0o755);
    const planted = openSync(folder, 'r');
    onTestFinished(() => closeSync(planted));
    // Node marks the numbers up to 15, so that one of those comes from whoever starts bubblewrap.
    const bwrap = join(folder, 'bwrap');
    const planting = `#!/bin/sh\nexec 9<'${folder}'\nexec '${await findBubblewrap()}' "$@"\n`;
    await writeFile(bwrap, planting, { mode: 0o755 });
    const look = `for fd in /proc/[0-9]*/fd/*; do echo "$fd $(readlink "$fd")"; done
      cat /proc/[0-9]*/fd/*/master.key; ls /proc/[0-9]*/fd/*/etc; echo looked`;
    const command = { command: ['sh', '-c', look], env: {}, mounts };
    const script = `
      import { createSandbox } from '${new URL('./index.ts', import.meta.url).href}';
      const sandbox = await createSandbox(${JSON.stringify({ dir: join(folder, 'two'), bwrap })});
      const child = sandbox.spawn(${JSON.stringify(command)});
      child.stderr.resume();
      child.stdout.pipe(process.stdout);`;
    const stdio: (number | 'ignore' | 'pipe')[] = Array(40).fill('ignore');
    const server = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', ...stdio.slice(2), planted],
    });
    const seen = await text(server.stdout!);
    expect(seen).toMatch(/looked\n$/);
    expect(seen).not.toContain(SECRET);
    const opened = seen.match(/^.*\/fd\/\d+ .*$/gm) ?? [];
    expect(opened.length).toBeGreaterThan(6);
    for (const line of opened) {
      expect(line).toMatch(/\/[0-3] socket:| (pipe:|anon_inode:|\/dev\/null$|\/proc\/|$)/);
    }
  });

  it('of the network cannot be reached', async () => {
    const server = createTcpServer(socket => socket.end(SECRET)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const script = `node -e '
      const net = require("node:net");
      for (const [host, port] of [["127.0.0.1", ${port}], ["169.254.169.254", 80], ["1.1.1.1", 53]])
        net.connect({ host, port, timeout: 3000 })
          .on("connect", () => console.log("CONNECTED", host))
          .on("error", error => console.log(host, error.code));'`;
    const { stdout } = await sh(sandbox, mounts, script);
    expect(stdout).not.toContain('CONNECTED');
    expect(stdout).toMatch(/127\.0\.0\.1 ECONNREFUSED/);
    expect(stdout).toMatch(/169\.254\.169\.254 ENETUNREACH/);
  });
});

describe('rights', () => {
  it('to write cover workspace, home and tmp only', async () => {
    const script = `
      for path in / /usr /usr/local /etc /dev /opt/holdfast /proc/sys/kernel /home /run /bin
      do touch "$path/x" 2>/dev/null && echo "WROTE $path"; done
      echo x > /proc/sys/kernel/core_pattern && echo WROTE core_pattern
      for path in /workspace /home/agent /tmp /dev/shm "$PWD" "$HOME" "$TMPDIR"
      do touch "$path/y" || echo "CANNOT $path"; done`;
    const { stdout } = await sh(sandbox, mounts, script);
    expect(stdout).toBe('');
    expect(existsSync(join(mounts.workspace, 'y'))).toBe(true);
    expect(existsSync(join(mounts.home, 'y'))).toBe(true);
  });

  it('of root are gone', async () => {
    const script = 'id -u; grep -E "^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs)" /proc/self/status';
    const { stdout } = await sh(sandbox, mounts, script);
    const [uid, ...lines] = stdout.trim().split('\n');
    expect(uid).not.toBe('0');
    expect(lines.filter(line => line.startsWith('Cap'))).toHaveLength(5);
    for (const line of lines) expect(line).toMatch(/^(Cap\w+:\s0+|NoNewPrivs:\s1)$/);
  });

  it('over the processes of another run are none', async () => {
    const other = await mountsFor(sandbox, await temporaryFolder());
    const mark = `5${Date.now()}`;
    const command = ['sh', '-c', `echo key > /workspace/key; echo ready; sleep ${mark}`];
    const child = sandbox.spawn({ command, env: { KEY: SECRET }, mounts: other });
    onTestFinished(() => child.kill('SIGKILL'));
    const sleeping = () => processesWith(`sleep\0${mark}`)[0];
    await expect.poll(sleeping).toBeDefined();
    const pid = sleeping();
    const owners = [mounts, other].map(({ workspace }) => lstatSync(workspace).uid);
    if (process.getuid?.() === 0) expect(new Set([...owners, 0]).size).toBe(3);
    expect(statSync(`/proc/${pid}`).uid).toBe(owners[1]);
    const script = `
      kill -0 ${pid} && echo SIGNALED
      cat /proc/${pid}/environ && echo READ; ls /proc/${pid}/root && echo LISTED
      perl -e 'print syscall(${process.arch === 'arm64' ? 117 : 101}, 16, ${pid}, 0, 0), "\n"'
      cat '${other.workspace}/key' && echo READ; pgrep sleep && echo SEEN; id -u`;
    const { stdout } = await sh(sandbox, mounts, script);
    expect(stdout).toBe(`-1\n${owners[0]}\n`);
  });

  it('as root are refused to a run whose files are root’s', async () => {
    if (process.getuid?.() !== 0) return;
    chownSync(mounts.workspace, 0, 0);
    const spawned = () => sandbox.spawn({ command: ['id'], env: {}, mounts });
    expect(spawned).toThrow('belongs to 0:0');
  });

  it('to fill memory through /tmp end at its size', async () => {
    const script = `
      head -c 4000000 /dev/zero > /tmp/fits && rm /tmp/fits && echo fits
      head -c 5000000 /dev/zero > /tmp/big || echo full
      head -c 5000000 /dev/zero > /dev/shm/big || echo full`;
    expect((await sh(sandbox, mounts, script)).stdout).toBe('fits\nfull\nfull\n');
  });
});

describe('limits', () => {
  it('on processes hold, and leave running processes alone', async () => {
    const small = await isolatedSandbox(folder, { processesMax: 40 });
    const own = await mountsFor(small, await temporaryFolder());
    const script = `node -e '
      const { spawn } = require("node:child_process");
      const sleeps = Array.from({ length: 60 }, () => spawn("sleep", ["30"]));
      const codes = [];
      for (const sleep of sleeps) sleep.on("error", error => codes.push(error.code));
      setTimeout(() => {
        for (const sleep of sleeps) sleep.kill();
        console.log(JSON.stringify(codes));
      }, 500);'`;
    const { stdout } = await sh(small, own, script);
    const codes: string[] = JSON.parse(stdout);
    // Bridge and Node have threads themselves.
    expect(codes.length).toBeGreaterThan(20);
    expect(codes.length).toBeLessThan(60);
    expect(new Set(codes)).toEqual(new Set(['EAGAIN']));
    // The refused processes no longer count.
    expect((await sh(small, own, 'sleep 0 & wait; echo fine')).stdout).toBe('fine\n');
  });

  it('on processes are those of one run', async () => {
    const small = await isolatedSandbox(folder, { processesMax: 40 });
    const start = async () => {
      const own = await mountsFor(small, await temporaryFolder());
      const script = 'for n in $(seq 20); do sleep 30 & done; echo started; wait';
      const child = small.spawn({ command: ['sh', '-c', script], env: {}, mounts: own });
      onTestFinished(() => child.kill('SIGKILL'));
      child.stdin.end();
      const [said] = await Promise.race([
        once(child.stdout, 'data'),
        once(child.stderr, 'data').then(([text]) => Promise.reject(new Error(String(text)))),
      ]);
      return String(said);
    };
    // Bridge and Node have threads themselves: two together would not fit.
    expect(await start()).toBe('started\n');
    expect(await start()).toBe('started\n');
  });

  it('on one file hold at their size', async () => {
    const small = await isolatedSandbox(folder, { fileMaxBytes: 1_000_000 });
    const script = `
      head -c 1000000 /dev/zero > fits && echo fits
      head -c 1000001 /dev/zero > big || echo full
      stat -c %s big`;
    const own = await mountsFor(small, await temporaryFolder());
    expect((await sh(small, own, script)).stdout).toBe('fits\nfull\n1000000\n');
  });

  it('of background work leave processors to everything else, and cannot be left', async () => {
    const background = await isolatedSandbox(folder, { background: true });
    const own = await mountsFor(background, await temporaryFolder());
    const script =
      'chrt --pid $$ | head -1; chrt --other 0 true || renice -n -5 -p $$ || echo kept';
    const { stdout } = await sh(background, own, script);
    expect(stdout).toMatch(/: SCHED_IDLE\nkept\n$/);
  });

  it('cover core dumps, open files, and the order of killing when memory runs out', async () => {
    const script = 'ulimit -Hc; ulimit -Hn; ulimit -Sn; cat /proc/self/oom_score_adj';
    const small = await isolatedSandbox(folder, { openFilesMax: 500 });
    const own = await mountsFor(small, await temporaryFolder());
    expect((await sh(small, own, script)).stdout).toBe('0\n500\n500\n1000\n');
  });
});

describe('programs', () => {
  it('that people expect are there', async () => {
    const script = `
      node -p process.version
      git init -q . && echo a > a && git add a && git commit -q -m one && git log --format='%an %s'
      python3 -c 'print("python")' || true
      node -e 'require("node:dns").lookup("localhost", (error, at) => console.log(at))'`;
    const { stdout, code } = await sh(sandbox, mounts, script);
    expect(stdout).toContain(`${process.version}\nHoldfast agent one\n`);
    expect(stdout).toContain('127.0.0.1');
    expect(code).toBe(0);
  });

  it('can run with the server’s Node, wherever it is on the host', async () => {
    const command = [process.execPath, '-p', 'process.version'];
    const child = sandbox.spawn({ command, env: {}, mounts });
    child.stdin.end();
    expect(await text(child.stdout)).toBe(`${process.version}\n`);
  });

  it('that are missing end with 127 and a message', async () => {
    const child = sandbox.spawn({ command: ['no-such-tool'], env: {}, mounts });
    const errors = child.stderr.setEncoding('utf8').toArray();
    expect(await child.exited).toEqual({ code: 127, signal: null });
    expect((await errors).join('')).toContain('cannot start no-such-tool');
  });

  it('report their end by code or by signal', async () => {
    expect(await sh(sandbox, mounts, 'exit 7')).toMatchObject({ code: 7, signal: null });
    const killed = await sh(sandbox, mounts, 'kill -TERM $$');
    expect(killed).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  it('get their input and its end', async () => {
    const child = sandbox.spawn({ command: ['cat'], env: {}, mounts });
    child.stdin.end('as it came');
    const output = child.stdout.setEncoding('utf8').toArray();
    await child.exited;
    expect((await output).join('')).toBe('as it came');
  });
});

describe('ending', () => {
  it('by a signal reaches the whole group, and the command may clean up', async () => {
    const script = `
      trap 'echo caught; exit 3' INT
      (trap 'echo child; exit 0' INT; while :; do sleep 0.05; done) &
      echo ready; wait`;
    const child = sandbox.spawn({ command: ['sh', '-c', script], env: {}, mounts });
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (line === 'ready') child.kill('SIGINT');
    }
    expect(await child.exited).toEqual({ code: 3, signal: null });
    expect(lines).toContain('caught');
  });

  it('by SIGKILL leaves no process, also none that left the group', async () => {
    const mark = `7${Date.now()}`;
    const script = `setsid sleep ${mark} & sleep ${mark} & echo ready; wait`;
    const child = sandbox.spawn({ command: ['sh', '-c', script], env: {}, mounts });
    await once(child.stdout, 'data');
    expect(processesWith(mark).length).toBeGreaterThanOrEqual(2);
    child.kill('SIGKILL');
    const { code } = await child.exited;
    expect(code).not.toBe(0);
    await untilNone(mark);
    child.kill('SIGKILL');
  });

  it('of the command ends the processes that it left running', async () => {
    const mark = `8${Date.now()}`;
    await sh(sandbox, mounts, `setsid sleep ${mark} >/dev/null 2>&1 &`);
    await untilNone(mark);
  });

  it('of the server ends every process inside, even when it is killed', async () => {
    const mark = `9${Date.now()}`;
    const module = new URL('./index.ts', import.meta.url).href;
    const options = { dir: join(folder, 'sandbox') };
    const command = { command: ['sh', '-c', `sleep ${mark} & echo ready; wait`], env: {}, mounts };
    const script = `
      import { createSandbox } from '${module}';
      const sandbox = await createSandbox(${JSON.stringify(options)});
      sandbox.spawn(${JSON.stringify(command)}).stdout.pipe(process.stdout);`;
    const server = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void server.kill('SIGKILL'));
    await once(server.stdout, 'data');
    expect(processesWith(mark).length).toBeGreaterThan(2);
    server.kill('SIGKILL');
    await untilNone(mark);
  });
});

describe('the bridge', () => {
  it('leads loopback to the mounted sockets, and nowhere else', async () => {
    const gatewaySocket = join(folder, 'gateway.sock');
    const server = createServer((request, response) => {
      request.pipe(response.setHeader('x-path', request.url ?? ''));
    }).listen(gatewaySocket);
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const withGateway = { ...mounts, gatewaySocket };
    const { gatewayUrl } = sandbox.paths(withGateway);
    expect(gatewayUrl).toBe('http://127.0.0.1:8787');
    const body = 'x'.repeat(300_000);
    const script = `node -e '
      const ask = () => fetch("${gatewayUrl}/model/openai", {
        method: "POST", body: "x".repeat(300000), duplex: "half" });
      Promise.all([ask(), ask(), ask()]).then(async answers => {
        for (const answer of answers)
          console.log(answer.headers.get("x-path"), (await answer.text()).length);
      });
      fetch("http://127.0.0.1:3128").catch(error => console.log("proxy", error.cause.code));'`;
    const { stdout } = await sh(sandbox, withGateway, script);
    expect(stdout.match(new RegExp(`/model/openai ${body.length}`, 'g'))).toHaveLength(3);
    expect(stdout).toContain('proxy ECONNREFUSED');
    expect(sandbox.paths(mounts).gatewayUrl).toBeNull();
  });

  it('names the proxy in the environment where there is one', async () => {
    const proxySocket = join(folder, 'proxy.sock');
    const server = createTcpServer(socket => socket.end('proxied')).listen(proxySocket);
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const script = `echo $HTTPS_PROXY; node -e '
      require("node:net").connect(3128, "127.0.0.1").pipe(process.stdout)'`;
    const { stdout } = await sh(sandbox, { ...mounts, proxySocket }, script);
    expect(stdout).toBe('http://127.0.0.1:3128\nproxied');
  });
});

it('shows named paths read-only, and refuses to show everything', async () => {
  const tools = await temporaryFolder();
  chmodSync(tools, 0o755);
  await writeFile(join(tools, 'tool'), 'tool', { mode: 0o666 });
  await chmod(join(tools, 'tool'), 0o666);
  const script = `cat ${tools}/tool; echo x > ${tools}/tool || echo refused`;
  const { stdout } = await sh(sandbox, { ...mounts, readOnly: [tools] }, script);
  expect(stdout).toBe('toolrefused\n');
  for (const path of ['/', 'relative', '/usr/..', '/workspace/x', '/home/agent']) {
    const hostile = { ...mounts, readOnly: [path] };
    expect(() => sandbox.spawn({ command: ['true'], env: {}, mounts: hostile })).toThrow(path);
  }
});

describe('without isolation', () => {
  it('has a note with the remedy', async () => {
    const open = await createSandbox({ dir: folder, bwrap: '/no/such/bwrap' });
    expect(open.isolated).toBe(false);
    expect(open.note).toMatch(/^Not isolated: .*apt-get install bubblewrap/);
    expect(open.paths(mounts)).toEqual({
      workspace: mounts.workspace,
      home: mounts.home,
      gatewayUrl: null,
    });
  });

  it('still gives an allowlist as environment, and ends the group', async () => {
    process.env.HOLDFAST_TEST_SECRET = SECRET;
    onTestFinished(() => {
      delete process.env.HOLDFAST_TEST_SECRET;
    });
    const open = await createSandbox({ dir: folder, bwrap: '/no/such/bwrap' });
    const { stdout } = await sh(open, mounts, 'env; pwd');
    expect(stdout).not.toContain(SECRET);
    expect(stdout).toContain(`HOME=${mounts.home}\n`);
    expect(stdout.trimEnd().endsWith(mounts.workspace)).toBe(true);

    const mark = `6${Date.now()}`;
    const command = ['sh', '-c', `sleep ${mark} & echo ready; wait`];
    const child = open.spawn({ command, env: {}, mounts });
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
    await untilNone(mark);
  });

  it('ends output that a process outside of the group holds open', async () => {
    const open = await createSandbox({ dir: folder, bwrap: '/no/such/bwrap' });
    const { stdout } = await sh(open, mounts, 'setsid sleep 5 & echo done');
    expect(stdout).toBe('done\n');
  });
});

it('generates names instead of showing the accounts of the host', async () => {
  const { stdout } = await sh(sandbox, mounts, 'whoami; cat /etc/passwd; hostname');
  expect(stdout).toMatch(/^agent\nagent:x:\d+:\d+:agent:\/home\/agent:\/bin\/sh\nholdfast\n$/);
  expect(await readFile('/etc/passwd', 'utf8')).not.toBe('');
});
