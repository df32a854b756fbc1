/** The process: its settings, its one line, its ends; and that the README agrees. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { FAULTS } from './faults/rules.ts';
import { describeSettings, SettingsError, settingsFromEnvironment } from './settings.ts';
import { WebSocketClient } from './testing/websocket-client.ts';

const MAIN = new URL('./main.ts', import.meta.url).pathname;
let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
});

function start(environment: Record<string, string>): ChildProcess {
  child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: 'pipe',
  });
  return child;
}

async function listening(environment: Record<string, string> = {}): Promise<string> {
  const { stdout } = start(environment);
  const [line] = await once(createInterface({ input: stdout! }), 'line');
  const { event, url } = JSON.parse(line as string);
  expect(event).toBe('listening');
  return url as string;
}

describe('the process', () => {
  it('prints its address and speaks the protocol there', async () => {
    const url = await listening({ SIMULATOR_SEED: '7', SIMULATOR_MODELS: 'a, b' });
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const simulator = { url, close: async () => {} };
    const client = await WebSocketClient.open(simulator, '/v1/realtime?model=b');
    await client.events.next('session.created');
    await client.close();
  });

  it('ends when its standard input closes', async () => {
    await listening();
    child?.stdin?.end();
    expect(await once(child!, 'exit')).toEqual([0, null]);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends on %s', async signal => {
    await listening();
    child?.kill(signal);
    expect(await once(child!, 'exit')).toEqual([0, null]);
  });

  it('refuses wrong settings, naming all of them', async () => {
    const { stderr } = start({ SIMULATOR_PORT: 'x', SIMULATOR_NONSENSE: '1' });
    const [line] = await once(createInterface({ input: stderr! }), 'line');
    expect(line).toContain('SIMULATOR_PORT');
    expect(line).toContain('SIMULATOR_NONSENSE');
    expect(await once(child!, 'exit')).toEqual([1, null]);
  });
});

describe('settings', () => {
  it('come from the environment', () => {
    const script = [{ call: { name: 'f', arguments: { a: 1 } } }, { echo: true }, { say: 'x' }];
    const settings = settingsFromEnvironment({
      SIMULATOR_SCRIPT: JSON.stringify(script),
      SIMULATOR_FAULTS: '[{"fault":"refuse","status":503}]',
      SIMULATOR_SIDEBAND_AUDIO: 'true',
      SIMULATOR_SPEED: '2.5',
      OTHER: 'ignored',
    });
    expect(settings.script).toEqual(script);
    expect(settings.faults[0]).toMatchObject({ fault: 'refuse', routes: ['websocket'] });
    expect([settings.sidebandAudio, settings.speed, settings.port]).toEqual([true, 2.5, 0]);
  });

  it('name every fault', () => {
    const wrong = { SIMULATOR_SCRIPT: '{', SIMULATOR_MODE: 'x', SIMULATOR_LOAD: '1' };
    expect(() => settingsFromEnvironment(wrong)).toThrow(SettingsError);
    for (const name of Object.keys(wrong)) {
      expect(() => settingsFromEnvironment(wrong), name).toThrow(name);
    }
  });

  it('and faults are all in the README, with their defaults', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    for (const setting of describeSettings()) {
      const value = setting.default === '' ? '' : `\`${setting.default}\``;
      expect(readme).toContain(`| \`${setting.name}\` | ${value} | ${setting.description} |`);
    }
    for (const [name, { description }] of Object.entries(FAULTS)) {
      expect(readme).toContain(`| \`${name}\` | ${description} |`);
    }
  });
});
