import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { findBubblewrap } from '../../../../../tools/services/binaries.ts';
import { type ConfinedLimits, createConfined } from './confined-program.ts';
import { ownControlGroups } from './control-groups.ts';

const dir = mkdtempSync(join(tmpdir(), 'holdfast-confined-'));
const secret = join(dir, 'secret');
const MIB = 1024 * 1024;
const LIMITS: ConfinedLimits = {
  runsMax: 2,
  heapMaxBytes: 64 * MIB,
  cpuMaxS: 20,
  timeoutMs: 20_000,
};

/** Does what its standard input names. */
const SCRIPT = `
const { readFileSync, writeFileSync } = require('node:fs');
const acts = {
  echo: () => 'heard',
  environment: () => JSON.stringify(process.env),
  spin: () => { for (;;); },
  objects: () => { const all = []; for (;;) all.push({ n: all.length }); },
  buffers: () => { const all = []; for (;;) all.push(Buffer.allocUnsafeSlow(16 << 20)); },
  wait: () => { setTimeout(() => {}, 60_000); return ''; },
  flood: () => { for (;;) require('node:fs').writeSync(1, 'x'.repeat(10_000)); },
  write: () => { writeFileSync('/tmp/confined-was-here', 'x'); return ''; },
  secret: () => readFileSync(${JSON.stringify(secret)}, 'utf8'),
  network: async () => {
    await new Promise((resolve, reject) => {
      require('node:net').connect(9, '192.0.2.1').once('connect', resolve).once('error', reject);
    });
    return '';
  },
  priority: () => String(require('node:os').getPriority()),
  processes: () => {
    const names = require('node:fs').readdirSync('/proc');
    return names.filter(name => /^\\d+$/.test(name)).join();
  },
};
if (!process.argv.includes('--probe')) {
  const act = acts[readFileSync(0, 'utf8')];
  Promise.resolve(act()).then(text => process.stdout.write(text));
}
`;

const main = join(dir, 'main.cjs');
writeFileSync(main, SCRIPT);
writeFileSync(secret, 'the secret');
afterAll(() => rmSync(dir, { recursive: true }));

function confined(limits: Partial<ConfinedLimits> = {}) {
  const why: string[] = [];
  const program = { main, readOnly: [main], limits: { ...LIMITS, ...limits } };
  const parser = createConfined(program, text => void why.push(text));
  return {
    why,
    async run(act: string) {
      const input = join(dir, `input-${act}`);
      writeFileSync(input, act);
      const fd = openSync(input, 'r');
      try {
        return await parser.run(fd);
      } finally {
        closeSync(fd);
      }
    },
  };
}

/** The PATH of the tests may lack bubblewrap, or have it. */
function usePath(path: string): void {
  const before = process.env.PATH;
  process.env.PATH = path;
  onTestFinished(() => {
    process.env.PATH = before;
  });
}

describe.each(['isolated', 'open'])('a confined program, %s', way => {
  let bwrap: string;
  beforeAll(async () => {
    bwrap = await findBubblewrap();
  });
  const open = (limits?: Partial<ConfinedLimits>) => {
    usePath(way === 'open' ? '' : [dirname(bwrap), process.env.PATH].join(delimiter));
    return confined(limits);
  };

  it('answers what it prints, without our environment', async () => {
    const program = open();
    expect(await program.run('echo')).toEqual({ kind: 'done', output: 'heard' });
    const ran = await program.run('environment');
    expect(ran.kind === 'done' && Object.keys(JSON.parse(ran.output))).not.toContain('PATH');
  });

  it('reports once why it is not isolated', async () => {
    const program = open();
    for (const act of ['echo', 'echo']) await program.run(act);
    expect(program.why).toEqual(way === 'open' ? ['bubblewrap (bwrap) is not installed'] : []);
  });

  it('comes after the work of others', async () => {
    const lowest = String(constants.priority.PRIORITY_LOW);
    expect(await open().run('priority')).toEqual({ kind: 'done', output: lowest });
  });

  it('weighs little beside the server where the machine has control groups', async () => {
    const root = '/sys/fs/cgroup/cpu';
    const weights = () =>
      (existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }) : [])
        .filter(name => name.includes(`holdfast-run-${process.pid}-`))
        .filter(name => name.endsWith('/cpu.shares'))
        .map(name => readFileSync(join(root, name), 'utf8'));
    const running = open({ timeoutMs: 1_500 }).run('wait');
    const hasGroups = ownControlGroups() !== undefined && existsSync(root);
    await vi.waitFor(() => expect(weights()).toEqual(hasGroups ? ['102\n'] : []), 1_500);
    await running;
    expect(weights()).toEqual([]);
  });

  it.each([
    ['spin', 'cpu', { cpuMaxS: 1 }],
    ['wait', 'wall', { timeoutMs: 1_500 }],
    ['objects', 'memory', {}],
    ['buffers', 'itself', {}],
    ['flood', 'itself', {}],
    ['write', 'itself', {}],
  ] as const)('is stopped when it does this: %s', async (act, by, limits) => {
    const memoryBytes = process.memoryUsage().rss;
    expect(await open(limits).run(act)).toEqual({ kind: 'stopped', by });
    expect(process.memoryUsage().rss - memoryBytes).toBeLessThan(64 * MIB);
  });
});

describe('isolation', () => {
  it('is tried again where the machine was too busy to show whether it works', async () => {
    const real = await findBubblewrap();
    const fake = join(dir, 'bwrap');
    const lines = [
      '#!/bin/sh',
      `[ -e ${dir}/tried ] && exec ${real} "$@"`,
      `touch ${dir}/tried`,
      'kill -XCPU $$',
    ];
    writeFileSync(fake, `${lines.join('\n')}\n`, { mode: 0o755 });
    usePath([dir, process.env.PATH].join(delimiter));
    const program = confined();
    await expect(program.run('secret')).rejects.toMatchObject({ code: 'unavailable' });
    expect(await program.run('secret')).toEqual({ kind: 'stopped', by: 'itself' });
    expect(program.why).toEqual([]);
  });

  it.each(['secret', 'network'])('denies it: %s', async act => {
    usePath([dirname(await findBubblewrap()), process.env.PATH].join(delimiter));
    expect(await confined().run(act)).toEqual({ kind: 'stopped', by: 'itself' });
  });

  it('shows it no process but its own', async () => {
    usePath([dirname(await findBubblewrap()), process.env.PATH].join(delimiter));
    const ran = await confined().run('processes');
    expect(ran.kind === 'done' && ran.output.split(',').length).toBeLessThanOrEqual(2);
  });
});

it('runs no more at once than is allowed', async () => {
  usePath('');
  const program = confined({ runsMax: 1, timeoutMs: 2_500 });
  const startedMs = performance.now();
  const ends = await Promise.all(['wait', 'wait', 'echo'].map(act => program.run(act)));
  expect(ends.map(end => end.kind)).toEqual(['stopped', 'stopped', 'done']);
  expect(performance.now() - startedMs).toBeGreaterThan(5_000);
});
