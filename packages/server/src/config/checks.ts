import { isLoopbackHost } from '../kernel/index.ts';
import type { Values } from './settings/index.ts';
import { ROLE_NAMES } from './settings/server.ts';

/**
 * Faults of several settings together. Each rule answers the sentence of its fault, or nothing.
 */
type Rule = (values: Values) => string | false | undefined;

const rules: readonly Rule[] = [
  v =>
    !v.HOLDFAST_TLS_CERT !== !v.HOLDFAST_TLS_KEY &&
    'HOLDFAST_TLS_CERT and HOLDFAST_TLS_KEY: both or neither must be set.',
  v =>
    v.AZURE_OPENAI_ENDPOINT &&
    !v.AZURE_OPENAI_API_KEY &&
    !v.HOLDFAST_AZURE_OPENAI_ENTRA &&
    !v.HOLDFAST_KEY_VAULT_URL &&
    'AZURE_OPENAI_ENDPOINT: needs AZURE_OPENAI_API_KEY (here or in Key Vault) or ' +
      'HOLDFAST_AZURE_OPENAI_ENTRA=true.',
  v =>
    v.HOLDFAST_AZURE_OPENAI_ENTRA &&
    !v.AZURE_OPENAI_ENDPOINT &&
    'HOLDFAST_AZURE_OPENAI_ENTRA: needs AZURE_OPENAI_ENDPOINT.',
  v =>
    v.OPENAI_BASE_URL &&
    !v.OPENAI_API_KEY &&
    'OPENAI_BASE_URL: needs OPENAI_API_KEY (any text where the server wants none).',
  v =>
    isOpen(v) &&
    !v.HOLDFAST_OIDC_ISSUER &&
    'HOLDFAST_HOST: other than loopback needs HOLDFAST_OIDC_ISSUER, or anyone could call.',
  v =>
    isOpen(v) &&
    v.HOLDFAST_ROLES.includes('gateway') &&
    !hasUpstream(v) &&
    'HOLDFAST_HOST: other than loopback needs an upstream, such as AZURE_OPENAI_ENDPOINT.',
  v =>
    v.HOLDFAST_OIDC_ISSUER &&
    !v.HOLDFAST_OIDC_CLIENT_ID &&
    'HOLDFAST_OIDC_ISSUER: needs HOLDFAST_OIDC_CLIENT_ID.',
  v =>
    !v.HOLDFAST_OIDC_ISSUER &&
    (v.HOLDFAST_OIDC_CLIENT_ID || v.HOLDFAST_OIDC_CLIENT_SECRET) &&
    'HOLDFAST_OIDC_…: needs HOLDFAST_OIDC_ISSUER.',
  v =>
    v.HOLDFAST_ROLES.length < ROLE_NAMES.length &&
    !v.DATABASE_URL &&
    !v.HOLDFAST_LAUNCHER_DATABASE_URL &&
    'HOLDFAST_ROLES: fewer than all roles need DATABASE_URL, which processes can share.',
  v =>
    v.HOLDFAST_RUNS_HARD_LIMIT < v.HOLDFAST_RUNS_SOFT_LIMIT &&
    'HOLDFAST_RUNS_HARD_LIMIT: must not be below HOLDFAST_RUNS_SOFT_LIMIT.',
  v =>
    v.AZURE_STORAGE_CONNECTION_STRING &&
    v.HOLDFAST_AZURE_STORAGE_URL &&
    'AZURE_STORAGE_CONNECTION_STRING and HOLDFAST_AZURE_STORAGE_URL: only one may be set.',
  v =>
    v.DATABASE_URL &&
    !v.HOLDFAST_MASTER_KEY &&
    !v.HOLDFAST_KEY_VAULT_URL &&
    'DATABASE_URL: needs HOLDFAST_MASTER_KEY (or HOLDFAST_KEY_VAULT_URL), which every process on ' +
      'that database shares. Make one with: openssl rand -base64 32',
  v => v.HOLDFAST_REDIS_ENTRA && !v.REDIS_HOST && 'HOLDFAST_REDIS_ENTRA: needs REDIS_HOST.',
  v =>
    v.HOLDFAST_REDIS_ENTRA &&
    (v.REDIS_PASSWORD || !v.REDIS_SSL) &&
    'HOLDFAST_REDIS_ENTRA: needs REDIS_SSL=true and no REDIS_PASSWORD.',
  v =>
    v.HOLDFAST_METRICS_PORT !== undefined &&
    v.HOLDFAST_METRICS_PORT !== 0 &&
    v.HOLDFAST_METRICS_PORT === v.PORT &&
    'HOLDFAST_METRICS_PORT: must differ from PORT.',
];

export function crossCheck(values: Values): string[] {
  return rules.map(rule => rule(values) || '').filter(fault => fault !== '');
}

/** Whether some model can be reached; an operator's catalogue names upstreams of its own. */
export function hasUpstream(values: Values): boolean {
  const { AZURE_OPENAI_ENDPOINT, OPENAI_API_KEY, HOLDFAST_MODELS_FILE } = values;
  return Boolean(AZURE_OPENAI_ENDPOINT || OPENAI_API_KEY || HOLDFAST_MODELS_FILE);
}

function isOpen(values: Values): boolean {
  return !isLoopbackHost(values.HOLDFAST_HOST);
}
