import { type ApiKey, SESSION_STATES, type Session } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { expiringKeys, recentFailures } from '../home/needs.ts';
import { PREFERENCE_DEFAULTS, readPreferences } from '../preferences/schema.ts';
import { matches } from '../sessions/matches.ts';
import { createKeySequence, SEQUENCE_TIMEOUT_MS } from '../shell/key-sequence.ts';
import { isFinal, STATES } from '../ui/states.ts';
import { defaultModel, voiceModels } from '../voice/models.ts';
import { detailSearch, listSearch } from './search.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const iso = (ms: number) => new Date(ms).toISOString();
const session = (change: Partial<Session>) =>
  ({
    id: 'ses_1',
    model: 'gpt-realtime',
    created_by: 'local',
    state: 'ended',
    transport: 'websocket',
    close_reason: null,
    replica: null,
    revision: null,
    created_at: iso(NOW),
    ended_at: null,
    ...change,
  }) as Session;

describe('states', () => {
  it("are the protocol's", () => {
    expect(STATES).toEqual(SESSION_STATES);
    expect(STATES.filter(isFinal)).toEqual(['ended', 'expired', 'failed']);
  });
});

describe('addresses', () => {
  it('keep valid values and leave out the rest', () => {
    expect(listSearch({ q: 'x', state: 'failed', mine: true, focus: true })).toEqual({
      q: 'x',
      state: 'failed',
      mine: true,
      focus: true,
    });
    const nothing = { q: undefined, state: undefined, mine: undefined, focus: undefined };
    expect(listSearch({ q: 7, state: 'odd', mine: 'yes' })).toEqual(nothing);
    expect(detailSearch({ at: '12', table: true })).toEqual({ at: 12, table: true });
    for (const at of [0, -1, 1.5, 'x', undefined]) expect(detailSearch({ at }).at).toBeUndefined();
  });
});

describe('matches', () => {
  it('requires every word, in any order and case', () => {
    const one = session({ created_by: 'user:Tanaka', close_reason: 'drain', replica: 'rep_a' });
    expect(matches(one, 'tanaka GPT')).toBe(true);
    expect(matches(one, 'rep_a drain')).toBe(true);
    expect(matches(one, 'tanaka webrtc')).toBe(false);
    expect(matches(one, '')).toBe(true);
  });
});

describe('what needs a person', () => {
  it('are failures of the last day', () => {
    const failed = session({ state: 'failed', ended_at: iso(NOW - 3_600_000) });
    const old = session({ state: 'failed', ended_at: iso(NOW - 90_000_000) });
    expect(recentFailures([session({}), failed, old], NOW)).toEqual([failed]);
    expect(
      recentFailures(
        Array.from({ length: 9 }, () => failed),
        NOW,
      ),
    ).toHaveLength(5);
  });

  it('are keys that end within a week', () => {
    const key = (expires: number | null, revoked = false) =>
      ({
        expires_at: expires === null ? null : iso(NOW + expires * 86_400_000),
        revoked_at: revoked ? iso(NOW) : null,
      }) as ApiKey;
    const soon = key(3);
    expect(expiringKeys([soon, key(15), key(-1), key(null), key(3, true)], NOW)).toEqual([soon]);
  });
});

describe('preferences', () => {
  it('fall back one by one', () => {
    expect(readPreferences(null)).toEqual(PREFERENCE_DEFAULTS);
    expect(readPreferences('not json')).toEqual(PREFERENCE_DEFAULTS);
    expect(readPreferences('[]')).toEqual(PREFERENCE_DEFAULTS);
    const stored = {
      language: 'ja',
      bitsPerSecond: 7,
      recording: 'off',
      shortcuts: false,
      model: 'm',
    };
    expect(readPreferences(JSON.stringify(stored))).toEqual({
      ...PREFERENCE_DEFAULTS,
      language: 'ja',
      recording: 'off',
      shortcuts: false,
      model: 'm',
    });
  });
});

describe('keys', () => {
  it('make single shortcuts and two in a row', () => {
    const keys = createKeySequence();
    expect(keys.press('?', 0)).toEqual(['?']);
    expect(keys.press(' ', 1)).toEqual(['space']);
    expect(keys.press('g', 10)).toEqual(['g']);
    expect(keys.press('V', 20)).toEqual(['g v', 'v']);
    expect(keys.press('h', 30)).toEqual(['h']);
  });

  it('drop a first key after a moment', () => {
    const keys = createKeySequence();
    keys.press('g', 0);
    expect(keys.press('h', SEQUENCE_TIMEOUT_MS + 1)).toEqual(['h']);
  });
});

describe('models', () => {
  const model = (id: string, protocols: string[], isDefault = false) => ({
    id,
    object: 'model' as const,
    holdfast: { aliases: [], protocols, default: isDefault },
  });
  const all = [model('chat', ['chat']), model('a', ['realtime']), model('b', ['realtime'], true)];

  it('are those one can talk with, the chosen one first', () => {
    expect(voiceModels(all).map(m => m.id)).toEqual(['a', 'b']);
    expect(defaultModel(all, 'a')).toBe('a');
    expect(defaultModel(all, 'gone')).toBe('b');
    expect(defaultModel(all.slice(0, 2), null)).toBe('a');
    expect(defaultModel([], null)).toBeUndefined();
  });
});
