import { DefaultAzureCredential, type TokenCredential } from '@azure/identity';
import { EntraIdCredentialsProviderFactory, REDIS_SCOPE_DEFAULT } from '@redis/entraid';

export interface EntraOptions {
  /** Client id of a user-assigned managed identity; left out for the system's own. */
  readonly managedIdentityClientId?: string;
  /** Instead of Azure's default chain (environment, workload identity, managed identity, CLI). */
  readonly credential?: TokenCredential;
}

/** A token is renewed when this share of its life is over; Azure closes connections at its end. */
const REFRESH_RATIO = 0.8;
const RETRY = { maxAttempts: 10, initialDelayMs: 1_000, maxDelayMs: 30_000, backoffMultiplier: 2 };
const RETRY_JITTER = 20;

/**
 * Credentials from Entra ID: the user name is the identity's object id (the token's `oid`), the
 * password its access token, sent again over the open connection before it expires. Each connection
 * needs a provider of its own: one whose first token request failed keeps later users waiting for
 * ever, and one that could not renew keeps handing out the old token. `onStale` is called in the
 * latter case: a new connection with a new provider is due.
 */
export function entraCredentials(options: EntraOptions, onStale: (error: Error) => void) {
  const credential =
    options.credential ??
    new DefaultAzureCredential({ managedIdentityClientId: options.managedIdentityClientId });
  return EntraIdCredentialsProviderFactory.createForDefaultAzureCredential({
    credential,
    scopes: REDIS_SCOPE_DEFAULT,
    tokenManagerConfig: {
      expirationRefreshRatio: REFRESH_RATIO,
      retry: { ...RETRY, jitterPercentage: RETRY_JITTER },
    },
    onReAuthenticationError: onStale,
  });
}
