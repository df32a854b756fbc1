import type { TokenCredential } from '@azure/identity';

/** What Azure's model endpoints take tokens for. */
const AZURE_OPENAI_SCOPE = 'https://cognitiveservices.azure.com/.default';

export interface EntraTokenOptions {
  /** Client id of a user-assigned managed identity; left out for the system's own. */
  readonly managedIdentityClientId?: string | undefined;
  /** Instead of Azure's default chain. */
  readonly credential?: TokenCredential;
}

/**
 * Tokens from Entra ID: managed identity, workload identity, environment or a developer's login,
 * whichever is available. The library caches a token, shares one request among callers and
 * refreshes before expiry. It is loaded at first use, because most installations never need it.
 */
export function entraTokens(options: EntraTokenOptions = {}): () => Promise<string> {
  let provider: Promise<() => Promise<string>> | undefined;
  return async () => {
    provider ??= import('@azure/identity').then(identity =>
      identity.getBearerTokenProvider(
        options.credential ??
          new identity.DefaultAzureCredential({
            managedIdentityClientId: options.managedIdentityClientId,
          }),
        AZURE_OPENAI_SCOPE,
      ),
    );
    return (await provider)();
  };
}
