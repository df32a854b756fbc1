import { isIPv4 } from 'node:net';
import { HoldfastError } from '../kernel/index.ts';

export interface Exposure {
  /** The address to listen on, as configured. */
  readonly host: string;
  readonly hasIdentityProvider: boolean;
  readonly hasUpstream: boolean;
}

/**
 * Whether a server may start the way it is set up. Throws when others could reach it although
 * nobody could be told apart, or when it would offer others a simulated model.
 */
export function checkExposure(exposure: Exposure): void {
  if (isLoopbackHost(exposure.host)) return;
  if (!exposure.hasIdentityProvider) {
    throw new HoldfastError(
      'invalid_request',
      'HOLDFAST_HOST: other than loopback needs HOLDFAST_OIDC_ISSUER, or anybody could call.',
      { field: 'HOLDFAST_HOST' },
    );
  }
  if (!exposure.hasUpstream) {
    throw new HoldfastError(
      'invalid_request',
      'HOLDFAST_HOST: other than loopback needs AZURE_OPENAI_ENDPOINT or OPENAI_API_KEY.',
      { field: 'HOLDFAST_HOST' },
    );
  }
}

/** Names and addresses that can only mean this machine; every other name counts as outside. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[|\]$/g, '');
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'));
}
