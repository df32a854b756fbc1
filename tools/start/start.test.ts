import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ConfigError } from '../../packages/server/src/config/index.ts';
import { METRICS } from '../../packages/server/src/platform/telemetry/index.ts';
import { banner } from './banner.ts';
import { endWithin, ROOT, startNode, whenEnded } from './children.ts';
import { hashSources } from './console-build.ts';
import { Echoes } from './end-requests.ts';
import { firstLine, listeningPort, listeningUrl } from './output.ts';
import { planStart, simulatedUpstream } from './plan.ts';
import { startWorker } from './worker.ts';

async function temporaryFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-start-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

describe('plan', () => {
  it('refuses every fault that the server would refuse', () => {
    expect(() => planStart({ PORT: 'x', HOLDFAST_HSOT: 'y' }, {})).toThrow(ConfigError);
    expect(() => planStart({ HOLDFAST_HOST: '0.0.0.0' }, {})).toThrow(/HOLDFAST_OIDC_ISSUER/);
  });

  it('simulates only when nothing else is set', () => {
    const simulated = { HOLDFAST_LAUNCHER_SIMULATED: 'true' };
    expect(planStart({}, {})).toMatchObject({ simulate: true, added: simulated });
    const real = [
      { OPENAI_API_KEY: 'k' },
      { AZURE_OPENAI_ENDPOINT: 'https://a.example', AZURE_OPENAI_API_KEY: 'k' },
      { HOLDFAST_MODELS_FILE: 'models.json' },
    ];
    for (const environment of real) {
      expect(planStart(environment, {}).simulate).toBe(false);
      expect(planStart({}, environment).simulate).toBe(false);
      expect(planStart(environment, {}).added).not.toHaveProperty('HOLDFAST_LAUNCHER_SIMULATED');
    }
  });

  it('starts a database, and a worker of its own, unless people chose otherwise', () => {
    expect(planStart({}, {})).toMatchObject({ database: { poolMax: 30 }, worker: true });
    const database = {
      DATABASE_URL: 'postgresql://u@localhost/d',
      HOLDFAST_MASTER_KEY: Buffer.alloc(32).toString('base64'),
    };
    expect(planStart(database, {})).toMatchObject({ database: null, worker: true });
    const roles = { ...database, HOLDFAST_ROLES: 'gateway,api' };
    expect(planStart(roles, {})).toMatchObject({ database: null, worker: false });
    const one = { HOLDFAST_ROLES: 'gateway,api,worker' };
    expect(planStart(one, {})).toMatchObject({ database: { poolMax: 30 }, worker: false });
    expect(() => planStart({ HOLDFAST_ROLES: 'worker' }, {})).toThrow(/DATABASE_URL/);
  });

  it('makes a new admin token each time, in local mode only, and keeps one that is given', () => {
    const [first, second] = [planStart({}, {}), planStart({}, {})];
    expect(first.adminToken).toMatch(/^[\w-]{43}$/);
    expect(first.adminToken).not.toBe(second.adminToken);
    expect(first.added.HOLDFAST_ADMIN_LINK_TOKEN).toBe(first.adminToken);
    const given = 'g'.repeat(40);
    expect(planStart({ HOLDFAST_ADMIN_LINK_TOKEN: given }, {}).adminToken).toBe(given);
    const oidc = { HOLDFAST_OIDC_ISSUER: 'https://i.example', HOLDFAST_OIDC_CLIENT_ID: 'c' };
    expect(planStart(oidc, {}).adminToken).toBeNull();
  });

  it('honours the documented time to accept work, but for a person at a terminal', () => {
    const asService = withTty(false, () => planStart({}, {}));
    expect(asService.added).not.toHaveProperty('HOLDFAST_SHUTDOWN_ACCEPT');
    expect(asService.drainMs).toBe(20_000);
    const asPerson = withTty(true, () => planStart({}, {}));
    expect(asPerson.added.HOLDFAST_SHUTDOWN_ACCEPT).toBe('0');
    expect(asPerson.drainMs).toBe(15_000);
  });

  it('replaces no setting', () => {
    const plan = planStart({}, { HOLDFAST_SHUTDOWN_ACCEPT: '7' });
    expect(plan.added).not.toHaveProperty('HOLDFAST_SHUTDOWN_ACCEPT');
  });

  it('hands the simulator over as an ordinary upstream', () => {
    const settings = { ...planStart({}, {}).added, ...simulatedUpstream('http://127.0.0.1:1') };
    expect(planStart(settings, {}).simulate).toBe(false);
  });

  it('leaves a provider alone that people gave a key for', () => {
    const { simulated } = planStart({ ANTHROPIC_API_KEY: 'k' }, {});
    expect(simulated).toEqual({ anthropic: false, gemini: true });
    const settings = simulatedUpstream('http://127.0.0.1:1', simulated);
    expect(Object.keys(settings).filter(name => name.startsWith('ANTHROPIC_'))).toEqual([]);
    expect(settings.GOOGLE_GEMINI_BASE_URL).toBe('http://127.0.0.1:1');
  });

  it.each([
    [{}, 'http://localhost:1'],
    [{ HOLDFAST_HOST: '127.0.0.1' }, 'http://localhost:1'],
    [{ HOLDFAST_HOST: '::1' }, 'http://localhost:1'],
    [{ HOLDFAST_TLS_CERT: 'c', HOLDFAST_TLS_KEY: 'k' }, 'https://localhost:1'],
  ])('%j is reached at %s', (environment, origin) => {
    expect(planStart(environment, {}).origin(1)).toBe(origin);
  });
});

describe('banner', () => {
  const facts = {
    url: 'http://localhost:8080',
    adminToken: 't',
    simulated: true,
    consoleFault: null,
  };

  it('shows where the console is and how to set a real model', () => {
    const text = banner(facts);
    expect(text).toContain('http://localhost:8080/auth/local?token=t');
    expect(text).toContain('simulated');
    expect(text).toContain('AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY');
  });

  it('leaves out what does not apply', () => {
    const text = banner({ ...facts, adminToken: null, simulated: false });
    expect(text).not.toMatch(/token|simulated|AZURE/);
  });

  it('shows why the console is missing', () => {
    expect(banner({ ...facts, consoleFault: 'line 1\nline 2' })).toContain('    line 2');
  });
});

describe('output', () => {
  it('is searched line by line, however it arrives', async () => {
    const stream = new PassThrough();
    const found = firstLine(stream, listeningPort);
    for (const part of [
      'noise\n{"event":"liste',
      'ning","port":81}\n{"event":"listening","port":9}\n',
    ]) {
      stream.write(part);
    }
    expect(await found).toBe(81);
  });

  it('that ends without the line is null', async () => {
    const stream = new PassThrough();
    const found = firstLine(stream, listeningUrl);
    stream.end('nothing\n');
    stream.resume();
    expect(await found).toBeNull();
  });

  it.each([
    ['{"event":"listening","url":"http://127.0.0.1:1"}', 'http://127.0.0.1:1'],
    ['[12:00:00] INFO: listening {"url":"http://localhost:1","port":1}', 'http://localhost:1'],
    ['{"event":"started","url":"http://127.0.0.1:1"}', undefined],
  ])('%s', (line, url) => {
    expect(listeningUrl(line)).toBe(url);
  });
});

describe('a request to end', () => {
  it('counts once when npm passes it on, also late, and twice when it comes twice', () => {
    const echoes = new Echoes();
    expect([0, 1_900].map(ms => echoes.isEcho('SIGINT', ms))).toEqual([false, true]);
    const twice = [2_000, 2_100, 2_200, 2_300];
    expect(twice.map(ms => echoes.isEcho('SIGINT', ms))).toEqual([false, true, false, true]);
  });

  it('counts each time when npm passes nothing on', () => {
    const echoes = new Echoes();
    expect([0, 2_001, 4_002].map(ms => echoes.isEcho('SIGINT', ms))).toEqual([false, false, false]);
    expect(echoes.isEcho('SIGTERM', 4_002)).toBe(false);
  });
});

describe('a process', () => {
  /** Keeps what is printed to standard error; the first line resolves `printed`. */
  function keepErrors() {
    const { promise: printed, resolve } = Promise.withResolvers<void>();
    const lines: string[] = [];
    const spy = vi.spyOn(console, 'error').mockImplementation((line: string) => {
      lines.push(line);
      if (line.startsWith('The ')) resolve();
    });
    onTestFinished(() => spy.mockRestore());
    return { lines, printed };
  }

  it('that does not end in time is killed, in one line', async () => {
    const { lines } = keepErrors();
    const child = startNode(['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    const ended = endWithin(child, whenEnded(child), { name: 'worker', timeoutMs: 100 });
    expect(await ended).toEqual({ code: 137 });
    expect(lines).toEqual(['The worker did not end within 0.1 s; killing it.']);
  });

  it('that cannot be started has ended, and the worker is tried again after a pause', async () => {
    const { lines, printed } = keepErrors();
    const { execPath } = process;
    onTestFinished(() => {
      process.execPath = execPath;
    });
    process.execPath = '/nonexistent/node';
    const worker = startWorker({ name: 'worker', settings: {}, held: [], drainMs: 0 });
    await printed;
    worker.interrupt();
    await worker.ended;
    expect(lines[0]).toContain('ENOENT');
    expect(lines[1]).toContain('The worker ended with code 1; starting it again in 0.5 s');
  });
});

describe('the hash of sources', () => {
  it('changes with a name or a content, but not with tests', async () => {
    const root = await temporaryFolder();
    await mkdir(join(root, 'src'));
    const hash = () => hashSources(root, ['src', 'index.html']);
    const seen = [await hash()];
    await writeFile(join(root, 'src/a.ts'), '1');
    seen.push(await hash());
    await writeFile(join(root, 'src/a.ts'), '2');
    seen.push(await hash());
    await writeFile(join(root, 'index.html'), '');
    seen.push(await hash());
    await writeFile(join(root, 'src/a.test.ts'), '1');
    expect(await hash()).toBe(seen[3]);
    expect(new Set(seen).size).toBe(4);
  });
});

describe('npm start', () => {
  interface Started {
    readonly launcher: ChildProcess;
    readonly ended: Promise<{ code: number }>;
    output(): string;
  }

  async function start(settings: Record<string, string> = {}): Promise<Started> {
    const dir = await temporaryFolder();
    const env = { PORT: '0', HOLDFAST_DATA_DIR: dir, LOG_FORMAT: 'json', ...settings };
    const launcher = spawn(process.execPath, [join(ROOT, 'tools/start.mjs')], {
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = whenEnded(launcher);
    onTestFinished(async () => {
      launcher.kill('SIGINT');
      launcher.kill('SIGINT');
      await ended;
    });
    let output = '';
    for (const stream of [launcher.stdout, launcher.stderr]) {
      stream!.setEncoding('utf8').on('data', chunk => {
        output += chunk;
        launcher.emit('output');
      });
    }
    return { launcher, ended, output: () => output };
  }

  /** Nothing that the machine of the test has set may reach the server. */
  function cleanEnvironment(): NodeJS.ProcessEnv {
    const own =
      /^(HOLDFAST|AZURE|OPENAI|ANTHROPIC|GEMINI|GOOGLE|DATABASE|REDIS|SIMULATOR)_|^PORT$|^VITEST/;
    return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
  }

  function printed({ launcher, output }: Started, pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(output());
        if (match) resolve(match);
      };
      launcher.on('output', look);
      launcher.once('exit', () => reject(new Error(`it ended:\n${output()}`)));
      look();
    });
  }

  it('brings up everything and, at Ctrl-C, ends everything, the server first', async () => {
    const started = await start();
    await printed(started, /Ctrl-C stops everything/);
    const link = /http:\/\/localhost:\d+\/auth\/local\?token=\S+/.exec(started.output())![0];
    const { origin } = new URL(link);
    expect((await fetch(`${origin}/readyz`)).status).toBe(200);
    expect((await fetch(`${origin}/`)).headers.get('content-type')).toContain('text/html');
    const exposed = await (await fetch(`${origin}/metrics`)).text();
    const names = [...exposed.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(match => match[1]!);
    expect(names.length).toBeGreaterThan(15);
    expect(names.filter(name => !Object.hasOwn(METRICS, name))).toEqual([]);
    const signIn = await fetch(link, { redirect: 'manual' });
    expect(signIn.headers.get('set-cookie')).toContain('HttpOnly');
    expect((await fetch(link, { redirect: 'manual' })).headers.get('set-cookie')).toBeNull();
    started.launcher.kill('SIGINT');
    expect(await started.ended).toEqual({ code: 0 });
    expect(started.output()).toMatch(/"signal":"SIGTERM"/);
    expect(started.output()).not.toContain('ended unexpectedly');
    await expect(fetch(`${origin}/readyz`)).rejects.toThrow();
  }, 300_000);

  it('keeps nothing in memory that strips types, at a first start neither', async () => {
    await rm(join(ROOT, 'node_modules/.cache/launcher'), { recursive: true, force: true });
    const probe = join(await temporaryFolder(), 'probe.cjs');
    const isLoaded = "process.moduleLoadList.some(name => name.includes('amaro'))";
    await writeFile(probe, `process.on('exit', () => console.log('loaded:', ${isLoaded}));`);
    const ending = execFile(
      process.execPath,
      ['--require', probe, join(ROOT, 'tools/start.mjs')],
      { env: { ...cleanEnvironment(), NODE_COMPILE_CACHE: undefined, PORT: 'refused' } },
      () => {},
    );
    const [said, [code]] = await Promise.all([text(ending.stdout!), once(ending, 'exit')]);
    expect([said, code]).toEqual(['loaded: false\n', 2]);
  });

  it('passes the exit code of a server that cannot start', async () => {
    const started = await start({
      HOLDFAST_TLS_CERT: '/nonexistent',
      HOLDFAST_TLS_KEY: '/nonexistent',
    });
    expect((await started.ended).code).toBe(1);
  }, 300_000);

  it('starts nothing when settings are wrong', async () => {
    const started = await start({ HOLDFAST_PORT: '8080' });
    expect((await started.ended).code).toBe(2);
    expect(started.output()).toContain('HOLDFAST_PORT: no such setting');
  }, 60_000);
});

function withTty<T>(isTTY: boolean, work: () => T): T {
  const before = process.stdout.isTTY;
  process.stdout.isTTY = isTTY;
  try {
    return work();
  } finally {
    process.stdout.isTTY = before;
  }
}
