import type { SecretSource } from './secrets.ts';

/** Secrets from environment variables; an empty one counts as absent. */
export function createEnvironmentSecrets(
  environment: Readonly<Record<string, string | undefined>>,
): SecretSource {
  return {
    adapter: 'environment',
    async get(name) {
      const value = environment[name];
      return value === '' ? undefined : value;
    },
  };
}
