import type { Me } from '@holdfast/protocol';
import i18next, { type TFunction } from 'i18next';
import { beforeAll, expect, it } from 'vitest';
import { resources } from '../i18n/resources-ja.ts';
import { nameOf, noticeOf } from './server-texts.ts';

let t: TFunction<'shell'>;

beforeAll(async () => {
  const i18n = i18next.createInstance();
  await i18n.init({ lng: 'ja', resources: { ja: resources } as never });
  t = i18n.getFixedT('ja', 'shell');
});

it('names the local user in Japanese, and other users as the server does', () => {
  const me: Me = {
    id: 'local',
    name: 'Local user',
    kind: 'local',
    project_id: 'default',
    role: 'Developer',
    mode: 'local',
    sign_in_ends_at: null,
  };
  expect(nameOf(me, t)).toBe('ローカルユーザー');
  expect(nameOf({ ...me, kind: 'user' }, t)).toBe('ローカルユーザー');
  expect(nameOf({ ...me, id: 'key_1', kind: 'api_key', name: 'CI' }, t)).toBe('CI');
  expect(nameOf({ ...me, mode: 'oidc', name: 'Mika' }, t)).toBe('Mika');
});

it('shows a simulated model in Japanese, and the notice of the operator as it is', () => {
  expect(noticeOf(undefined, t)).toBeNull();
  expect(noticeOf({ notice: null, simulated: false }, t)).toBeNull();
  expect(noticeOf({ notice: null, simulated: true }, t)?.text).toMatch(
    /^模擬モデルで動いています。/,
  );
  const operators = { text: 'Maintenance', lang: 'en' };
  expect(noticeOf({ notice: 'Maintenance', simulated: true }, t)).toEqual(operators);
});
