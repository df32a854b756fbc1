import {
  LIMIT_MAX_REQUESTS,
  LIMIT_MAX_SESSIONS,
  type LimitList,
  newLimit,
} from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { defaultsOf, draftOf, limitOf } from './limits.ts';

const values = (max_sessions: number | null) => ({
  max_sessions,
  requests_per_minute: 600,
  request_burst: 100,
});
const key = `key_${'0'.repeat(32)}`;
const list: LimitList = {
  defaults: { person: values(5), key: values(100), project: values(null) },
  data: [
    {
      subject: key,
      max_sessions: 40,
      requests_per_minute: null,
      request_burst: null,
      updated_by: 'ann',
      updated_at: '2026-11-30T00:00:00Z',
    },
  ],
};

describe('a draft of limits', () => {
  it('begins with what is set, and asks for nothing else', () => {
    const draft = draftOf(list, key);
    expect(draft).toMatchObject({ max_sessions: '40', requests_per_minute: '', request_burst: '' });
    expect(limitOf(draft)).toEqual({ subject: key, max_sessions: 40 });
    expect(limitOf(draftOf(list, 'project'))).toEqual({ subject: 'project' });
    expect(defaultsOf(list, 'project').max_sessions).toBeNull();
    expect(defaultsOf(list, key).max_sessions).toBe(100);
  });

  it('asks for what the server accepts, and nothing beyond', () => {
    const draft = draftOf(list, key);
    for (const [field, most] of [
      ['max_sessions', LIMIT_MAX_SESSIONS],
      ['requests_per_minute', LIMIT_MAX_REQUESTS],
      ['request_burst', LIMIT_MAX_REQUESTS],
    ] as const) {
      const asked = limitOf({ ...draft, [field]: ` ${most} ` });
      expect(newLimit.parse(asked)).toMatchObject({ [field]: most });
      for (const wrong of ['0', String(most + 1), '1.5', '-1', 'many']) {
        expect(limitOf({ ...draft, [field]: wrong })).toBeNull();
      }
    }
  });
});
