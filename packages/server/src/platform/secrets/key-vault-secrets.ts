import { DefaultAzureCredential, type TokenCredential } from '@azure/identity';
import { SecretClient } from '@azure/keyvault-secrets';
import { HoldfastError } from '../../kernel/index.ts';
import type { SecretSource } from './secrets.ts';

export interface KeyVaultSecretsOptions {
  /** `https://<name>.vault.azure.net` */
  readonly vaultUrl: string;
  /** Client id of a user-assigned managed identity; left out for the system's own. */
  readonly managedIdentityClientId?: string;
  /** Instead of Azure's default chain (environment, workload identity, managed identity, CLI). */
  readonly credential?: TokenCredential;
  /** PEM of a private certificate authority, for vaults behind a private endpoint's proxy. */
  readonly ca?: string;
  /** False only for vaults outside of Azure's own domains. */
  readonly verifyDomain?: boolean;
}

const REQUEST_TIMEOUT_MS = 10_000;
const RETRIES_MAX = 3;
const RETRY_DELAY_MAX_MS = 2_000;

/**
 * Secrets from Azure Key Vault. Its names allow no underscores, so `HOLDFAST_MASTER_KEY` is asked
 * for as `holdfast-master-key`. Nothing is cached: callers ask at start and when a key is unknown.
 */
export function createKeyVaultSecrets(options: KeyVaultSecretsOptions): SecretSource {
  const credential =
    options.credential ??
    new DefaultAzureCredential({ managedIdentityClientId: options.managedIdentityClientId });
  const client = new SecretClient(options.vaultUrl, credential, {
    retryOptions: { maxRetries: RETRIES_MAX, maxRetryDelayInMs: RETRY_DELAY_MAX_MS },
    disableChallengeResourceVerification: options.verifyDomain === false,
    ...(options.ca === undefined ? {} : { tlsOptions: { ca: options.ca } }),
  });
  return {
    adapter: 'key-vault',
    async get(name) {
      try {
        const secret = await client.getSecret(name.toLowerCase().replaceAll('_', '-'), {
          abortSignal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        });
        return secret.value === '' ? undefined : secret.value;
      } catch (error) {
        const facts = error as { name?: string; code?: string; statusCode?: number };
        if (facts.statusCode === 404) return undefined;
        // The SDK's error carries the request with its token: only these facts may reach a log.
        const parts = [facts.name ?? 'Error', facts.code, facts.statusCode].filter(Boolean);
        const cause = new Error(`Key Vault: ${parts.join(' ')}`);
        throw new HoldfastError('unavailable', 'The secret store did not answer.', { cause });
      }
    },
  };
}
