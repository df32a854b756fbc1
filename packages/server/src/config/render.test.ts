import { parse } from 'dotenv';
import { describe, expect, it } from 'vitest';
import {
  loadConfig,
  renderEffective,
  renderEnvExample,
  renderReference,
  resolveSettings,
} from './index.ts';
import { GROUPS, SETTINGS } from './settings/index.ts';
import { launcherSettings } from './settings/server.ts';

describe('descriptions', () => {
  it('keep our own names apart from those of others', () => {
    const others =
      /^(AZURE|OPENAI|ANTHROPIC|GEMINI|GOOGLE|DATABASE|REDIS|LOG|OTEL|APPL\w+|CONTAINER)_/;
    for (const name of Object.keys(SETTINGS)) {
      expect(name === 'PORT' || name.startsWith('HOLDFAST_') || others.test(name), name).toBe(true);
    }
  });

  it('have fallbacks that parse', () => {
    for (const [name, { fallback, kind }] of Object.entries(SETTINGS)) {
      if (fallback !== undefined) expect(() => kind.schema.parse(fallback), name).not.toThrow();
    }
  });
});

describe('renderEffective', () => {
  it('masks secrets and names the source', () => {
    const text = renderEffective(
      resolveSettings({ PORT: '1', OPENAI_API_KEY: 'hunter2' }, { LOG_LEVEL: 'debug' }),
    );
    expect(text).not.toContain('hunter2');
    expect(text).toMatch(/^ {2}PORT +1 +environment$/m);
    expect(text).toMatch(/^ {2}OPENAI_API_KEY +\*\*\* +environment$/m);
    expect(text).toMatch(/^ {2}LOG_LEVEL +debug +\.env$/m);
    expect(text).toMatch(/^ {2}HOLDFAST_HOST +127\.0\.0\.1 +default$/m);
  });
});

describe('generated files', () => {
  it('name every setting but those of the launcher', () => {
    for (const name of Object.keys(SETTINGS)) {
      const expected = !(name in launcherSettings);
      expect(new RegExp(`^#${name}=`, 'm').test(renderEnvExample()), name).toBe(expected);
      expect(renderReference().includes(`| \`${name}\` |`), name).toBe(expected);
    }
  });

  it('give a sample that changes nothing until something is uncommented', () => {
    expect(parse(renderEnvExample())).toEqual({});
  });

  it('give defaults in the sample that are the real ones', () => {
    const uncommented = GROUPS.flatMap(({ settings }) => Object.entries(settings))
      .filter(([, { fallback }]) => fallback)
      .map(([name]) => new RegExp(`^#(${name}=.*)$`, 'm').exec(renderEnvExample())![1])
      .join('\n');
    expect(loadConfig(parse(uncommented), {})).toEqual(loadConfig({}, {}));
  });
});
