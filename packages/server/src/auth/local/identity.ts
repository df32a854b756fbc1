import type { Identity } from '../identity.ts';
import { DEFAULT_PROJECT } from '../projects.ts';
import { type SignedInDeps, signedInBy } from '../signed-in.ts';
import { checkDirect, type DirectRules } from './direct.ts';

export const LOCAL_USER = { id: 'local', name: 'Local user' } as const;

/**
 * Local mode: every direct request from this machine is the local user, a Developer, whatever key
 * it carries, so that other people's clients work unchanged. Only the console session that the
 * one-time link started makes it an Admin, and only for requests of our own pages.
 */
export function createLocalIdentity(deps: SignedInDeps & { rules: DirectRules }): Identity {
  return {
    mode: 'local',
    checkTransport: request => checkDirect(request, deps.rules),
    async authenticate(request) {
      const user = { kind: 'local', ...LOCAL_USER, projectId: DEFAULT_PROJECT } as const;
      const person = await signedInBy(request, deps);
      if (person?.id !== LOCAL_USER.id) return { ...user, role: 'Developer' };
      const role = person.roles[DEFAULT_PROJECT] ?? 'Developer';
      return { ...user, role, basis: person.basis };
    },
  };
}
