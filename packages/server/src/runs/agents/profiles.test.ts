import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createAgents } from './index.ts';
import {
  loadAgentProfiles,
  PROFILES_MAX,
  parseAgentProfiles,
  profileEnvironment,
} from './profiles.ts';
import { openWorkbench, type Workbench } from './testing/workbench.ts';

const GEMINI = {
  name: 'gemini-acp',
  title: 'Gemini over ACP',
  command: 'gemini',
  args: ['--acp'],
  env: { GEMINI_API_KEY: '{token}', GOOGLE_GEMINI_BASE_URL: '{gateway}/model/gemini' },
};
let bench: Workbench | undefined;
afterEach(() => bench?.close());

const fault = (agents: readonly unknown[]) => {
  try {
    parseAgentProfiles({ agents });
  } catch (error) {
    return (error as Error).message;
  }
  return 'no fault';
};

describe('agents.json', () => {
  it('is refused with every fault and its place', () => {
    expect(fault([{ ...GEMINI, name: 'codex' }, GEMINI, GEMINI])).toBe(
      'agents.json: agents.0.name: the name codex is taken; ' +
        'agents.2.name: the name gemini-acp is taken.',
    );
    expect(fault([{ ...GEMINI, command: './run me' }])).toContain('agents.0.command');
    expect(fault([{ ...GEMINI, env: { 'A=B': 'x' } }])).toContain('agents.0.env');
    expect(fault([{ ...GEMINI, secret: 'x' }])).toContain('agents.0');
    expect(fault([{ ...GEMINI, read_only_paths: ['etc'] }])).toContain('read_only_paths');
    const many = Array.from({ length: PROFILES_MAX + 1 }, (_, at) => ({
      ...GEMINI,
      name: `a${at}`,
    }));
    expect(fault(many)).toContain('agents');
    expect(fault(many.slice(1))).toBe('no fault');
  });

  it('is read from a file, or the error names the file', async () => {
    bench = openWorkbench();
    const file = join(bench.homeDir, 'agents.json');
    await expect(loadAgentProfiles(file)).rejects.toThrow(file);
    writeFileSync(file, JSON.stringify({ agents: [GEMINI] }));
    expect(await loadAgentProfiles(file)).toMatchObject([{ ...GEMINI, read_only_paths: [] }]);
  });

  it('gives a program what it needs under the names it expects, and nothing else', () => {
    const [profile] = parseAgentProfiles({ agents: [GEMINI] });
    const context = { token: 'rt_$&', gatewayUrl: 'http://127.0.0.1:8787', homeDir: '/home/agent' };
    expect(profileEnvironment(profile!, context)).toEqual({
      GEMINI_API_KEY: 'rt_$&',
      GOOGLE_GEMINI_BASE_URL: 'http://127.0.0.1:8787/model/gemini',
    });
  });
});

describe('the agents there are', () => {
  it('are the built-in one, the vendors’ and the operator’s', async () => {
    const profiles = parseAgentProfiles({ agents: [{ ...GEMINI, command: 'no-such-agent' }] });
    const agents = createAgents({ isolated: false, models: { builtin: 'test-model' }, profiles });
    expect(agents.map(({ name }) => name)).toEqual([
      'builtin',
      'claude-code',
      'codex',
      'gemini-cli',
      'gemini-acp',
    ]);
    expect(await agents[0]!.probe()).toMatchObject({ available: true, install: null });
    expect(await agents[4]!.probe()).toEqual({
      available: false,
      version: null,
      wantedVersion: null,
      install: null,
    });
  });

  it('show the sandbox no more than they need', () => {
    const [builtin] = createAgents({ isolated: true, models: { builtin: 'test-model' } });
    expect(builtin!.readOnlyPaths).not.toContain('/');
    for (const path of builtin!.readOnlyPaths) {
      expect(path).toMatch(/(runs\/agents\/builtin\/?|server\/package\.json|node_modules)$/);
    }
  });
});
