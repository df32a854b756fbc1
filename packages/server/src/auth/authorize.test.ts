import { ROLES, type Role } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../kernel/index.ts';
import { authorize } from './authorize.ts';
import { POLICIES, type PolicyId } from './policies.ts';
import type { Principal } from './principal.ts';
import { principal } from './testing/index.ts';

/**
 * What each row means, written out by hand: for a caller of each role, and for a client secret,
 * the answer for a thing of their own, of a colleague, and of another project.
 * `y` allowed, `A` allowed as an Admin, `f` 403, `n` 404.
 */
const TABLE: Record<Exclude<PolicyId, `public.${string}`>, Record<Role | 'secret', string>> = {
  'me.read': { Viewer: 'yyn', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
  'models.list': { Viewer: 'yyn', Developer: 'yyn', Admin: 'yyn', secret: 'yyn' },
  'keys.manage': { Viewer: 'fff', Developer: 'fff', Admin: 'yyn', secret: 'fff' },
  'audit.read': { Viewer: 'fff', Developer: 'fff', Admin: 'yyn', secret: 'fff' },
  'limits.read': { Viewer: 'yyn', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
  'limits.manage': { Viewer: 'fff', Developer: 'fff', Admin: 'yyn', secret: 'fff' },
  'realtime.mint': { Viewer: 'fff', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
  'realtime.connect': { Viewer: 'fff', Developer: 'yyn', Admin: 'yyn', secret: 'yyn' },
  'realtime.socket': { Viewer: 'fff', Developer: 'yyn', Admin: 'yyn', secret: 'yyn' },
  'realtime.answer': { Viewer: 'fff', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
  'realtime.control': { Viewer: 'fff', Developer: 'ynn', Admin: 'yAn', secret: 'ynn' },
  'realtime.sideband': { Viewer: 'fff', Developer: 'ynn', Admin: 'yAn', secret: 'fff' },
  'sessions.read': { Viewer: 'yyn', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
  'sessions.control': { Viewer: 'fff', Developer: 'yfn', Admin: 'yAn', secret: 'fff' },
  'recordings.write': { Viewer: 'fff', Developer: 'ynn', Admin: 'yAn', secret: 'ynn' },
  'recordings.read': { Viewer: 'fff', Developer: 'ynn', Admin: 'yAn', secret: 'ynn' },
  'recordings.delete': { Viewer: 'fff', Developer: 'ynn', Admin: 'yAn', secret: 'fff' },
  'repos.control': { Viewer: 'fff', Developer: 'yfn', Admin: 'yAn', secret: 'fff' },
  'repos.write': { Viewer: 'fff', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
  'runs.read': { Viewer: 'yyn', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
  'runs.write': { Viewer: 'fff', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
  'runs.control': { Viewer: 'fff', Developer: 'yfn', Admin: 'yAn', secret: 'fff' },
  'runs.private': { Viewer: 'fff', Developer: 'yfn', Admin: 'yAn', secret: 'fff' },
  'streams.read': { Viewer: 'yyn', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
  'queue.read': { Viewer: 'yyn', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
  'queue.manage': { Viewer: 'fff', Developer: 'fff', Admin: 'yyn', secret: 'fff' },
  'models.call': { Viewer: 'fff', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
  'budgets.read': { Viewer: 'yyn', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
  'budgets.manage': { Viewer: 'fff', Developer: 'fff', Admin: 'yyn', secret: 'fff' },
  'provider_keys.manage': { Viewer: 'fff', Developer: 'fff', Admin: 'yyn', secret: 'fff' },
  'hosted_tools.manage': { Viewer: 'fff', Developer: 'fff', Admin: 'yyn', secret: 'fff' },
  'hosted_tools.read': { Viewer: 'yyn', Developer: 'yyn', Admin: 'yyn', secret: 'fff' },
};

const secret: Principal = principal('Developer', {
  kind: 'client_secret',
  grant: { secretId: 'sec_1', model: 'm', session: {}, isOver: false, locked: [] },
});

function judge(policy: string, who: Principal, target?: Parameters<typeof authorize>[2]): string {
  try {
    return authorize(policy, who, target) === 'admin' ? 'A' : 'y';
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return error.code === 'forbidden' ? 'f' : 'n';
  }
}

describe('the policy table', () => {
  it.each(Object.entries(TABLE))('%s', (policy, row) => {
    for (const who of [...ROLES.map(role => principal(role)), secret]) {
      const own = { projectId: who.projectId, createdBy: who.id, secretId: 'sec_1' };
      const colleague = { projectId: who.projectId, createdBy: 'user:other', secretId: 'sec_2' };
      const foreign = { ...own, projectId: 'elsewhere' };
      const found = [own, colleague, foreign].map(target => judge(policy, who, target)).join('');
      const name = who.kind === 'client_secret' ? 'secret' : who.role;
      expect(`${name} ${found}`).toBe(`${name} ${row[name]}`);
    }
  });

  it.each([
    [['voice'], 'realtime.connect sessions.read recordings.write streams.read', 'runs.read'],
    [['runs'], 'runs.write repos.control models.call streams.read', 'realtime.mint sessions.read'],
    [['meetings'], 'me.read streams.read', 'runs.read sessions.read realtime.mint'],
    [['read'], 'runs.read sessions.read recordings.read queue.read', 'runs.write realtime.mint'],
    [['voice', 'runs'], 'realtime.mint runs.write', 'budgets.manage'],
  ] as const)('narrows a key of an Admin to its scopes %j', (scopes, open, closed) => {
    const key = principal('Admin', { kind: 'api_key', id: 'key_1', scopes });
    const managing = Object.keys(POLICIES).filter(id => /manage$|^audit/.test(id));
    expect(managing.length).toBeGreaterThan(4);
    for (const policy of [...closed.split(' '), ...managing]) {
      expect([policy, judge(policy, key)]).toEqual([policy, 'f']);
    }
    for (const policy of open.split(' '))
      expect([policy, judge(policy, key)]).toEqual([policy, 'y']);
  });

  it('has no row that is not written out here', () => {
    const rows = Object.keys(POLICIES).filter(id => !id.startsWith('public.'));
    expect(rows.toSorted()).toEqual(Object.keys(TABLE).toSorted());
  });

  it('judges only the role when there is no thing yet', () => {
    expect(judge('sessions.control', principal('Developer'))).toBe('y');
    expect(judge('sessions.control', principal('Viewer'))).toBe('f');
    expect(judge('public.health', principal('Viewer'))).toBe('y');
  });

  it('answers the same for absent, foreign and hidden things', () => {
    const who = principal('Developer');
    const answers = [
      null,
      { projectId: 'elsewhere', createdBy: who.id },
      { projectId: who.projectId, createdBy: 'user:other' },
    ].map(target => {
      try {
        return authorize('recordings.read', who, target);
      } catch (error) {
        const { code, detail, field } = error as HoldfastError;
        return JSON.stringify({ code, detail, field });
      }
    });
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain('not_found');
  });

  it('gives a client secret only what itself opened, whatever else its creator owns', () => {
    const own = { projectId: 'default', createdBy: secret.id };
    expect(judge('realtime.control', secret, { ...own, secretId: 'sec_2' })).toBe('n');
    expect(judge('realtime.control', secret, { ...own, secretId: null })).toBe('n');
    expect(judge('realtime.control', secret, own)).toBe('n');
  });

  it('leaves an expired client secret what it opened, and nothing new', () => {
    const over = { ...secret, grant: { ...secret.grant!, isOver: true } };
    const own = { projectId: 'default', createdBy: secret.id, secretId: 'sec_1' };
    const open = Object.keys(TABLE).filter(id => TABLE[id as 'me.read'].secret === 'ynn');
    expect(open.toSorted()).toEqual(['realtime.control', 'recordings.read', 'recordings.write']);
    for (const policy of open) {
      expect(judge(policy, over, own)).toBe('y');
      expect(judge(policy, over, { ...own, secretId: 'sec_2' })).toBe('n');
    }
    for (const policy of ['realtime.connect', 'models.list'] as const) {
      expect(() => authorize(policy, over)).toThrow(
        expect.objectContaining({ code: 'unauthenticated' }),
      );
    }
  });

  it('throws on an unknown row instead of letting through', () => {
    expect(() => authorize('constructor', principal('Admin'))).toThrow('No policy');
  });
});
