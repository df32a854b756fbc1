import type { GuardedRequest } from '../../http/index.ts';
import type { ConsoleSessions } from '../console-sessions.ts';
import { cookiesOf } from '../credentials.ts';
import type { Identity } from '../identity.ts';
import { originOf } from '../origin.ts';
import { DEFAULT_PROJECT } from '../projects.ts';
import { checkDirect, type DirectRules } from './direct.ts';

export const LOCAL_USER = { id: 'local', name: 'Local user' } as const;

/**
 * Local mode: every direct request from this machine is the local user, a Developer, whatever key
 * it carries, so that other people's clients work unchanged. Only the console session that the
 * one-time link started makes it an Admin, and only for requests of our own pages.
 */
export function createLocalIdentity(deps: {
  sessions: ConsoleSessions;
  rules: DirectRules;
  cookieName: string;
}): Identity {
  const { sessions, rules, cookieName } = deps;
  const isAdmin = async (request: GuardedRequest): Promise<boolean> => {
    const token = cookiesOf(request)[cookieName];
    const origin = originOf(request, rules);
    if (token === undefined || (origin !== 'own' && origin !== 'none')) return false;
    const person = await sessions.find(token);
    return person?.id === LOCAL_USER.id;
  };
  return {
    mode: 'local',
    checkTransport: request => checkDirect(request, rules),
    async authenticate(request) {
      const role = (await isAdmin(request)) ? 'Admin' : 'Developer';
      return { kind: 'local', ...LOCAL_USER, projectId: DEFAULT_PROJECT, role };
    },
  };
}
